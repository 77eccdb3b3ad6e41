#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener, left_behind, missing_above, running, service, text_of

DOCUMENTATION = r"""
module: logstash_info
short_description: What there is of Logstash and rsyslog on this host
description: Looks at the units, at the places where Logstash listens and at the folder where rsyslog keeps lines. Changes nothing.
options:
  spool: {description: Folder that rsyslog keeps lines in., type: path, default: /}
  data: {description: Folder of Logstash's data., type: path, default: /var/lib/logstash}
  output: {description: Folder of the file that it writes., type: path, default: /var/log/logstash/cluster}
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
forwarder: {description: The user as which rsyslog works., returned: always, type: str}
certificate: {description: "The sha256 of this host's certificate and of whom it trusts, by name.", returned: always, type: dict}
spool: {description: Whether the folder is there., returned: always, type: bool}
above: {description: Folders above those of Logstash's data and output that are not there., returned: always, type: list}
left: {description: "{from, to} of data that is where the settings said before.", returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "spool": {"type": "path", "default": "/"},
    "data": {"type": "path", "default": "/var/lib/logstash"},
    "output": {"type": "path", "default": "/var/log/logstash/cluster"},
    "listeners": {"type": "list", "elements": "dict", "default": [], "options": {
        "address": {"type": "str", "required": True}, "port": {"type": "int", "required": True}}},
}


#: What role common has every host have in a closed cluster.
TLS = Path("/etc/provisioner/tls")


def sha256(path: Path) -> str:
    """Of what is in a file; empty where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def stored(settings: str) -> str:
    """Where the role's settings say that the data is, "" without any."""
    found = re.search(r"^path\.data: (.+)$", settings, re.MULTILINE)
    return found[1] if found else ""


def works_as(settings: str) -> str:
    """The user that rsyslog's settings make it, as Ubuntu's do; else it stays root."""
    found = re.findall(r'^\s*(?:\$PrivDropToUser\s+|global\(.*privdrop\.user\.name=")([\w.-]+)', settings, re.MULTILINE | re.IGNORECASE)
    return found[-1] if found else "root"


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    return {
        **service("logstash", [Listener(**each) for each in asked["listeners"]]),
        "rsyslog": bool(running("rsyslog")),
        "forwarder": works_as(text_of("/etc/rsyslog.conf")),
        "certificate": {name: sha256(TLS / f"{name}.pem") for name in ("certificate", "ca")},
        "spool": Path(asked["spool"]).is_dir(),
        "above": missing_above(asked["data"], asked["output"]),
        "left": left_behind(stored(text_of("/etc/logstash/logstash.yml")), asked["data"]),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
