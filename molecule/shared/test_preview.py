"""What holds for every role: a preview of a host that was just brought up reports nothing to change.

By mitogen, in half the time; without it every role has just been applied twice.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from provisioner.run.ansible import mitogen_settings


def test_a_preview_reports_no_change() -> None:
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    own = scenario / "converge.yml"
    playbook = own if own.exists() else scenario.parent / "shared/converge.yml"
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "lab.json"
    done = subprocess.run([sys.executable, "-m", "ansible", "playbook", "--check", "--diff", "-i", str(inventory), str(playbook)],
                          capture_output=True, text=True, timeout=900, check=False, env={**os.environ, **mitogen_settings()})
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    changes = re.findall(r"^TASK \[([^\]]+)\][^\n]*\n(?:(?!TASK).*\n)*?changed: \[([^\]]+)\]", done.stdout, re.MULTILINE)
    assert re.findall(r"changed=(\d+)", done.stdout), "no host was looked at"
    assert set(re.findall(r"changed=(\d+)", done.stdout)) == {"0"}, changes
