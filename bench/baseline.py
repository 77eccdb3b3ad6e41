"""The roles as Ansible's own modules write them, a task for each file: this project as it was before it had modules for that.

In a checkout of its own, with its own lab, as the roles of then want what the driver of then renders. What they do is the same: a closed
cluster, the same programs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.contenders import TOOLS
from provisioner.paths import project_dir

COMMIT = "70471ef"
#: Run by the checkout's own interpreter: a fresh lab, and on it all its roles by a tuned `ansible-playbook`.
FIRST_RUN = """
import sys
from pathlib import Path
from bench import first_run
from bench.commands import timed
lab, folder, *size = sys.argv[1:]
timed("lab", "up", "--name", lab, *size)
work = Path(folder)
work.mkdir(mode=0o700, parents=True, exist_ok=True)
taken = first_run._tuned(lab, work)
timed("lab", "down", "--name", lab)
print(taken)
"""


def first_run(lab: str, size: tuple[str, ...]) -> float:
    """Seconds of a first run, the start of its hosts not counted."""
    folder = _checkout()
    done = subprocess.run([folder / ".venv/bin/python", "-c", FIRST_RUN, lab, str(folder / ".provision/bench"), *size], cwd=folder,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def _checkout() -> Path:
    folder = project_dir() / ".provision" / f"bench-{COMMIT}"
    if not (folder / ".venv/ready").exists():
        subprocess.run(["git", "worktree", "add", "--force", "--detach", folder, COMMIT], cwd=project_dir(), check=True)
        subprocess.run(["make", ".venv/ready"], cwd=folder, check=True)
        (folder / TOOLS.name).symlink_to(TOOLS)
    return folder
