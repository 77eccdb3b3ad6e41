#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import guarded

DOCUMENTATION = r"""
module: logstash_config
short_description: Write Logstash's settings and pipeline once Logstash itself accepts all of them together
description: What Logstash refuses leaves the live files as they are and fails. In check mode Logstash is not asked.
options:
  files: {description: "What to write, by path below /etc/logstash.", type: dict, required: true}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Put the settings and the pipeline live
  provisioner.core.logstash_config:
    files:
      /etc/logstash/conf.d/cluster.conf: "input { tcp { port => 5140 } }"
"""
RETURN = r"""
files: {description: The files that are or would be others., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {"files": {"type": "dict", "required": True}}
HOME = Path("/etc/logstash")
USER = "logstash"
COMMAND = ("runuser", "-u", USER, "--", "/usr/share/logstash/bin/logstash")
MODE = 0o640
SECONDS = 300


def write(path: Path, text: str) -> None:
    """The file is whole at any moment, and Logstash may read it."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.chmod(MODE)
    shutil.chown(part, "root", USER)
    part.replace(path)


def differs(path: Path, text: str) -> bool:
    """Whether the live file is not what `write` would leave. The group is missing where the package was purged."""
    return not path.is_file() or path.read_text() != text or not guarded(path, MODE, group=USER)


def refused(files: dict[str, str]) -> str:
    """What Logstash says against the files, tried in a folder beside the live ones; other files of conf.d are tried with them."""
    with tempfile.TemporaryDirectory(dir=HOME, prefix="candidate-") as folder:
        candidate = Path(folder)
        candidate.chmod(0o750)
        shutil.chown(candidate, "root", USER)
        if (HOME / "conf.d").is_dir():
            shutil.copytree(HOME / "conf.d", candidate / "conf.d")
        for name, text in files.items():
            path = candidate / Path(name).relative_to(HOME)
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write(path, text)
        check = [*COMMAND, "--path.settings", folder, "--path.config", folder + "/conf.d/*.conf", "--config.test_and_exit"]
        done = subprocess.run(check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    if done.returncode == 0:
        return ""
    return done.stdout.decode(errors="replace").replace(folder, str(HOME)).strip() or f"exit code {done.returncode}"


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    files = module.params["files"]
    changed = [name for name, text in files.items() if differs(Path(name), text)]
    if changed and not module.check_mode:
        try:
            against = refused(files)
        except subprocess.TimeoutExpired:
            against = f"nothing within {SECONDS} seconds"
        if against:
            module.fail_json(msg=f"Logstash refuses its new configuration, the old one stays in use. It says: {against}")
        for name in changed:
            write(Path(name), files[name])
    module.exit_json(changed=bool(changed), files=changed)


if __name__ == "__main__":
    main()
