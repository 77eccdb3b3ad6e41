#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: own_files
short_description: Delete what a role has written, and nothing of others
description: Files and trees that are ours go, and folders that are empty then. What others have put into these folders stays.
options:
  paths: {description: Files or trees that only the role writes. Patterns are allowed., type: list, elements: path, required: true}
  folders: {description: "Folders that go when nothing is left in them, the innermost first.", type: list, elements: path, default: []}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Delete our files
  provisioner.core.own_files:
    paths: [/etc/docker/daemon.json]
    folders: [/etc/docker]
"""
RETURN = r"""
deleted: {description: What was deleted., returned: always, type: list}
left: {description: What others have in the folders., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "paths": {"type": "list", "elements": "path", "required": True},
    "folders": {"type": "list", "elements": "path", "default": []},
}


def delete(path: Path) -> None:
    """A file, a link or a whole tree."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    doomed = [path for pattern in module.params["paths"] for path in sorted(Path("/").glob(pattern.lstrip("/")))]
    doomed += [path for path in map(Path, module.params["paths"]) if path.is_symlink() and path not in doomed]
    gone, left = [str(path) for path in doomed], []
    if not module.check_mode:
        for path in doomed:
            delete(path)
    for folder in map(Path, module.params["folders"]):
        inside = [str(each) for each in sorted(folder.iterdir()) if str(each) not in gone] if folder.is_dir() else []
        left += inside
        if folder.is_dir() and not inside:
            gone.append(str(folder))
            if not module.check_mode:
                folder.rmdir()
    module.exit_json(changed=bool(gone), deleted=gone, left=left)


if __name__ == "__main__":
    main()
