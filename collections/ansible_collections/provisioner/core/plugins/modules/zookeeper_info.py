#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import (
    Listener,
    has_user,
    left_behind,
    missing_above,
    service,
    text_of,
)

DOCUMENTATION = r"""
module: zookeeper_info
short_description: What there is of ZooKeeper on this host
description: Looks at the unit, the ports, the user, the folders and the number of the member. Changes nothing.
options:
  address: {description: Address that ZooKeeper binds. Empty leaves the ports out., type: str, default: ""}
  ports: {description: TCP ports that it binds., type: list, elements: int, default: []}
  home: {description: Folder that the archive is unpacked to., type: path, default: /}
  data: {description: Folder of the data., type: path, default: /var/lib/zookeeper}
  log: {description: "Folder of the transaction logs, empty for that of the data.", type: str, default: ""}
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
home: {description: Whether the archive is unpacked., returned: always, type: bool}
above: {description: Folders above those of the data that are not there., returned: always, type: list}
packaged: {description: "The version of the distribution's program, empty if it is not there.", returned: always, type: str}
whole: {description: Whether Debian's package is there and not its library alone., returned: always, type: bool}
left: {description: "{from, to} of data that is where the settings said before.", returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "address": {"type": "str", "default": ""},
    "ports": {"type": "list", "elements": "int", "default": []},
    "home": {"type": "path", "default": "/"},
    "data": {"type": "path", "default": "/var/lib/zookeeper"},
    "log": {"type": "str", "default": ""},
}
CONFIG, JARS = Path("/etc/zookeeper/provisioner"), Path("/usr/share/java")
#: Scripts, which Debian's library comes without.
SCRIPTS = Path("/usr/share/zookeeper/bin")


def number(data: Path) -> str:
    """The member's number; Debian's package puts a sentence in its place."""
    text = text_of(data / "myid").strip()
    return text if text.isdigit() else ""


def packaged(jars: Path) -> str:
    """The version that the name of the program has in it."""
    found = (re.fullmatch(r"zookeeper-(\d[\d.]*)\.jar", jar.name) for jar in jars.glob("zookeeper-*.jar"))
    return next((name[1] for name in found if name), "")


def left(settings: str, data: str, log: str) -> list[dict[str, str]]:
    """What is where the settings say until now; one folder holds both unless they name another for the logs."""
    told = dict(re.findall(r"^(dataDir|dataLogDir)=(.*)$", settings, re.MULTILINE))
    before = str(told.get("dataDir", ""))
    found = left_behind(before, data, "version-2")
    return found or left_behind(str(told.get("dataLogDir", before)), log or data, "version-2/log.*")


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    folders = [asked["data"], asked["log"]] if asked["log"] else [asked["data"]]
    return {
        **service("zookeeper", [Listener(asked["address"], port) for port in asked["ports"]]),
        "id": number(Path(asked["data"])),
        "user": has_user("zookeeper"),
        "home": Path(asked["home"], "lib").is_dir(),
        "above": missing_above(*folders),
        "packaged": packaged(JARS),
        "whole": SCRIPTS.is_dir(),
        "left": left(text_of(CONFIG / "zoo.cfg"), asked["data"], asked["log"]),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
