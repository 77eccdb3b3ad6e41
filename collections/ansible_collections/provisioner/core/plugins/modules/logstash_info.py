#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener, running, service

DOCUMENTATION = r"""
module: logstash_info
short_description: What there is of Logstash and rsyslog on this host
description: Looks at the units, at the places where Logstash listens and at the folder where rsyslog keeps lines. Changes nothing.
options:
  spool: {description: Folder that rsyslog keeps lines in., type: path, default: /}
  listeners:
    description: Where Logstash listens. An entry with an empty address is passed over.
    type: list
    elements: dict
    default: []
    options:
      address: {description: Address of this host, type: str, required: true}
      port: {description: TCP port, type: int, required: true}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at Logstash and rsyslog
  provisioner.core.logstash_info:
    spool: /var/spool/rsyslog/provisioner
    listeners: [{address: 10.0.0.11, port: 5140}, {address: 127.0.0.1, port: 9600}]
"""
RETURN = r"""
unit: {description: Whether our unit file of Logstash is there., returned: always, type: bool}
running: {description: Whether Logstash runs., returned: always, type: bool}
absent: {description: Addresses that this host does not have., returned: always, type: list}
taken: {description: "{address, port} that another program holds.", returned: always, type: list}
rsyslog: {description: Whether rsyslog runs., returned: always, type: bool}
spool: {description: Whether the folder is there., returned: always, type: bool}
"""
ARGUMENTS: dict[str, Any] = {
    "spool": {"type": "path", "default": "/"},
    "listeners": {"type": "list", "elements": "dict", "default": [], "options": {
        "address": {"type": "str", "required": True}, "port": {"type": "int", "required": True}}},
}


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    return {
        **service("logstash", [Listener(**each) for each in asked["listeners"]]),
        "rsyslog": bool(running("rsyslog")),
        "spool": Path(asked["spool"]).is_dir(),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
