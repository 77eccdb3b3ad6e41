#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import (
    Listener,
    guarded,
    has_user,
    left_behind,
    missing_above,
    service,
    text_of,
)

DOCUMENTATION = r"""
module: consul_info
short_description: What there is of Consul on this host
description: Looks at the program, the unit, the ports, the folders and whether the servers were founded. Changes nothing.
options:
  address: {description: Address that the agent binds. Empty leaves its ports out., type: str, default: ""}
  data: {description: Folder of the data., type: path, default: /var/lib/consul}
  token: {description: The agent's token., type: str, default: ""}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at Consul
  provisioner.core.consul_info:
    address: 10.0.0.11
"""
RETURN = r"""
unit: {description: Whether our unit file is there., returned: always, type: bool}
running: {description: Whether the unit runs., returned: always, type: bool}
absent: {description: The address if this host does not have it., returned: always, type: list}
taken: {description: "{address, port} that another program holds.", returned: always, type: list}
binary:
  description: The program behind /usr/local/bin/consul; empty unless it is as it was unpacked, root's and nobody else's to write to.
  returned: always
  type: str
user: {description: Whether the user consul exists., returned: always, type: bool}
voting:
  description: Whether this host belongs to a raft that has voters. Its servers were founded once and must not be founded again.
  returned: always
  type: bool
expected: {description: "That number, 0 if none can be read.", returned: always, type: int}
above: {description: Folders above it that are not there., returned: always, type: list}
acl: {description: "What who brings no token may do by the settings: off, allow (both everything) or deny.", returned: always, type: str}
known: {description: Whether the settings have the agent's token., returned: always, type: bool}
left: {description: "{from, to} of data that is where the settings said before.", returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {"address": {"type": "str", "default": ""}, "data": {"type": "path", "default": "/var/lib/consul"},
                             "token": {"type": "str", "default": "", "no_log": True}}
BOOTSTRAP = Path("/etc/consul.d/bootstrap.json")
LINK = Path("/usr/local/bin/consul")
SETTINGS = Path("/etc/consul.d/consul.json")
ACL = Path("/etc/consul.d/acl.json")
PEERS = "http://127.0.0.1:8500/v1/status/peers"


def binary(link: Path) -> str:
    """The program, if its digest is the one that was noted when it was unpacked."""
    program = link.resolve()
    digest, noted = hashlib.sha256(), program.with_name("consul.sha256")
    if not guarded(program, 0o755) or not noted.is_file():
        return ""
    with program.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return str(program) if digest.hexdigest() == noted.read_text().strip() else ""


def voting(running: bool, raft: Path) -> bool:
    """Servers that were started but never had a leader have raft data too, so a running agent is asked."""
    if not running:
        return raft.is_dir()
    try:
        with urllib.request.urlopen(PEERS, timeout=5) as answer:
            return bool(json.load(answer))
    except (OSError, ValueError):
        return True


def expected(bootstrap: Path) -> int:
    """How many servers the file says."""
    try:
        return int(json.loads(bootstrap.read_text())["bootstrap_expect"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def acl(settings: Path) -> dict[str, Any]:
    """The setting of this name; empty where there is none."""
    try:
        return dict(json.loads(text_of(settings) or "{}").get("acl", {}))
    except (ValueError, AttributeError, TypeError):
        return {}


def stored(settings: Path) -> str:
    """Where the settings say that the data is, "" if they can't be read."""
    try:
        return str(json.loads(text_of(settings) or "{}").get("data_dir", ""))
    except (ValueError, AttributeError):
        return ""


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    address = asked["address"]
    found = service("consul", [Listener(address, 8300), Listener(address, 8301), Listener("127.0.0.1", 8500), Listener("127.0.0.1", 8600)])
    rights = acl(ACL)
    return {
        **found,
        "binary": binary(LINK),
        "user": has_user("consul"),
        "voting": voting(found["running"], Path(asked["data"], "raft")),
        "expected": expected(BOOTSTRAP),
        "above": missing_above(asked["data"]),
        "acl": rights.get("default_policy", "allow") if rights else "off",
        "known": bool(asked["token"]) and rights.get("tokens", {}).get("agent") == asked["token"],
        "left": left_behind(stored(SETTINGS), asked["data"]),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
