#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: erase
short_description: Delete folders with all that is in them
description: Where a folder is the root of a file system, or a link to a folder, only what is in it is deleted.
options:
  folders: {description: The folders., type: list, elements: path, required: true}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Delete the data
  provisioner.core.erase:
    folders: [/data/consul]
"""
RETURN = r"""
erased: {description: Those that were there., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {"folders": {"type": "list", "elements": "path", "required": True}}


def erase(folder: Path) -> None:
    """Its content, and itself where that can be."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not folder.is_symlink() and not os.path.ismount(folder):
        folder.rmdir()


def anything(folder: Path) -> bool:
    """Whether there is something to delete."""
    return folder.is_dir() and (any(folder.iterdir()) or not (folder.is_symlink() or os.path.ismount(folder)))


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    found = [folder for folder in map(Path, module.params["folders"]) if anything(folder)]
    if not module.check_mode:
        for folder in found:
            erase(folder)
    module.exit_json(changed=bool(found), erased=[str(folder) for folder in found])


if __name__ == "__main__":
    main()
