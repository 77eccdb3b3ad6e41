#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.zookeeper import Session, ZooKeeperError, as_rules, session

DOCUMENTATION = r"""
module: zookeeper_rules
short_description: Who may read and write nodes of ZooKeeper
description:
  - Gives nodes their rules as the super user, by a member that runs on this host. A node that is not there is made, empty, so that
    nobody else makes it with other rules.
  - Rules are not handed down. With O(nodes[].below) all lasting nodes below get the same; what is made there later has those that its
    maker gave it.
options:
  address: {description: Where the member listens., type: str, required: true}
  port: {description: And at which port., type: int, required: true}
  password: {description: The super user's., type: str, required: true}
  nodes:
    description: The nodes, those above first.
    type: list
    elements: dict
    required: true
    options:
      path: {description: Its path., type: str, required: true}
      acl:
        description: Rows of C(perms) (bits), C(scheme) and C(id); those without an id are left out.
        type: list
        elements: dict
        required: true
      below: {description: Whether all nodes below get the same., type: bool, default: false}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Let nobody look around
  provisioner.core.zookeeper_rules:
    address: 10.0.0.11
    port: 2181
    password: "{{ password }}"
    nodes:
      - path: /mesos
        acl: [{perms: 31, scheme: digest, id: "mesos:{{ digest }}"}]
"""
RETURN = r"""
nodes: {description: The nodes that got other rules., returned: success, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "nodes": {"type": "list", "elements": "dict", "required": True, "options": {
        "path": {"type": "str", "required": True},
        "acl": {"type": "list", "elements": "dict", "required": True},
        "below": {"type": "bool", "default": False}}},
}


def give(open_session: Session, path: str, rules: list[tuple[int, str, str]], below: bool, check: bool) -> list[str]:
    """Give a node these rules, and with `below` those below; the paths of those that had others."""
    now = open_session.rules(path)
    if now is None:
        if check:
            return [path]
        open_session.create(path, rules)
        now = open_session.rules(path) or []
        changed = [path]
    else:
        changed = [] if sorted(now) == rules else [path]
    if sorted(now) != rules and not check:
        open_session.set_rules(path, rules)
    for name in open_session.children(path) if below else ():
        child = f"{path.rstrip('/')}/{name}"
        if not open_session.ephemeral(child):
            changed += give(open_session, child, rules, below, check)
    return changed


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    asked = module.params
    changed: list[str] = []
    try:
        with session(asked["address"], asked["port"], "super", asked["password"]) as opened:
            for node in asked["nodes"]:
                changed += give(opened, node["path"], as_rules(node["acl"]), node["below"], module.check_mode)
    except (OSError, ZooKeeperError) as error:
        module.fail_json(msg=f"ZooKeeper at {asked['address']}:{asked['port']} does not do what it is asked: {error}")
    module.exit_json(changed=bool(changed), nodes=changed)


if __name__ == "__main__":
    main()
