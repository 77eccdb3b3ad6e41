#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener, guarded, has_user, service, text_of

DOCUMENTATION = r"""
module: zookeeper_info
short_description: What there is of ZooKeeper on this host
description: Looks at the unit, the ports, the user, the folders and the number of the member. Changes nothing.
options:
  address: {description: Address that ZooKeeper binds. Empty leaves the ports out., type: str, default: ""}
  ports: {description: TCP ports that it binds., type: list, elements: int, default: []}
  home: {description: Folder that the archive is unpacked to., type: path, default: /}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at ZooKeeper
  provisioner.core.zookeeper_info:
    address: 10.0.0.11
    ports: [2181, 3888]
"""
RETURN = r"""
unit: {description: Whether our unit file is there., returned: always, type: bool}
running: {description: Whether a unit of that name runs., returned: always, type: bool}
absent: {description: The address if this host does not have it., returned: always, type: list}
taken: {description: "{address, port} that another program holds.", returned: always, type: list}
id: {description: "The number in the data folder, empty if there is none.", returned: always, type: str}
user: {description: Whether the user zookeeper exists., returned: always, type: bool}
folders: {description: Whether the folders for settings and data are there with the right owners and modes., returned: always, type: bool}
home: {description: Whether the archive is unpacked., returned: always, type: bool}
"""
ARGUMENTS: dict[str, Any] = {
    "address": {"type": "str", "default": ""},
    "ports": {"type": "list", "elements": "int", "default": []},
    "home": {"type": "path", "default": "/"},
}
DATA = Path("/var/lib/zookeeper")
CONFIG = Path("/etc/zookeeper/provisioner")


def number(data: Path) -> str:
    """The member's number; Debian's package puts a sentence in its place."""
    text = text_of(data / "myid").strip()
    return text if text.isdigit() else ""


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    return {
        **service("zookeeper", [Listener(asked["address"], port) for port in asked["ports"]]),
        "id": number(DATA),
        "user": has_user("zookeeper"),
        "folders": guarded(CONFIG, 0o755, folder=True) and guarded(DATA, 0o750, "zookeeper", folder=True),
        "home": Path(asked["home"], "lib").is_dir(),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
