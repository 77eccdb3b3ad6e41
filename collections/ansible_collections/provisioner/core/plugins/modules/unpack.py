#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: unpack
short_description: Take a program out of an archive, so that it is complete when it appears
description: Everything belongs to root. Whether it has to be done is the caller's to know; it is always done.
options:
  src: {description: "The archive, a zip or tar file whose checksum was right.", type: path, required: true}
  dest:
    description: The folder that the archive's one top folder becomes, or the file that O(member) becomes.
    type: path
    required: true
  member:
    description: Take out this file of a zip archive only, as a program; its sha256 is noted beside it, in <member>.sha256.
    type: str
    default: ""
author: [provisioner]
"""
EXAMPLES = r"""
- name: Unpack ZooKeeper
  provisioner.core.unpack:
    src: /opt/zookeeper/apache-zookeeper-3.8.4-bin.tar.gz
    dest: /opt/zookeeper/3.8.4

- name: Unpack Consul
  provisioner.core.unpack:
    src: /opt/consul/consul_1.10.12.zip
    dest: /opt/consul/1.10.12/consul
    member: consul
"""
RETURN = "{}"
ARGUMENTS: dict[str, Any] = {
    "src": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "member": {"type": "str", "default": ""},
}


def unpack_folder(archive: Path, target: Path) -> None:
    """What the archive holds, as one folder."""
    part = target.with_name(target.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(archive) as content:
        # Its checksum was right, so its names are trusted; owners are not taken over.
        for member in content:
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            content.extract(member, part)
    found = sorted(part.iterdir())
    if len(found) != 1:
        raise ValueError(f"it holds {', '.join(path.name for path in found) or 'nothing'} instead of one folder")
    found[0].replace(target)
    part.rmdir()


def unpack_member(archive: Path, member: str, target: Path) -> None:
    """One program of the archive."""
    part = target.with_name(target.name + ".part")
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as content:
        if member not in content.namelist():
            raise ValueError(f"it holds no {member}, only {', '.join(sorted(content.namelist()))}")
        with content.open(member) as packed, part.open("wb") as out:
            shutil.copyfileobj(packed, out)
    part.chmod(0o755)
    os.chown(part, os.geteuid(), os.getegid())
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    part.replace(target)
    target.with_name(f"{member}.sha256").write_text(digest + "\n")


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    archive, target, member = Path(module.params["src"]), Path(module.params["dest"]), module.params["member"]
    if not module.check_mode:
        try:
            if member:
                unpack_member(archive, member, target)
            else:
                unpack_folder(archive, target)
        except (OSError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
            module.fail_json(msg=f"The archive {archive} cannot be unpacked to {target}: {error}. Delete it and run again.")
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
