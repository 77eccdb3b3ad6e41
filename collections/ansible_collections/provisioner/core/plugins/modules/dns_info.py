#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener, running, service, text_of

DOCUMENTATION = r"""
module: dns_info
short_description: How this host resolves names
description: Looks at /etc/resolv.conf, at what could overwrite it, and at dnsmasq. Changes nothing.
options:
  kept: {description: File that keeps the former settings., type: path, required: true}
  address: {description: Address where dnsmasq listens besides 127.0.0.1., type: str, default: ""}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the resolver
  provisioner.core.dns_info:
    kept: /etc/resolv.conf.upstream
    address: 10.0.0.11
"""
RETURN = r"""
unit: {description: Whether our unit file of dnsmasq is there., returned: always, type: bool}
running: {description: Whether dnsmasq runs., returned: always, type: bool}
absent: {description: Addresses that this host does not have., returned: always, type: list}
taken: {description: "{address, port} that another program holds.", returned: always, type: list}
manager: {description: "V(resolved) where systemd-resolved feeds /etc/resolv.conf, else V(file).", returned: always, type: str}
domain: {description: "Where its resolver looks when it is not told: the host's own name after its first dot.", returned: always, type: str}
content: {description: "Text of /etc/resolv.conf, empty if there is none.", returned: always, type: str}
link: {description: "Where /etc/resolv.conf points if it is a symbolic link, else empty.", returned: always, type: str}
kept: {description: "Text of the file with the former settings, empty if there is none.", returned: always, type: str}
network_manager: {description: Whether NetworkManager could overwrite /etc/resolv.conf., returned: always, type: bool}
dhclient: {description: Whether dhclient could., returned: always, type: bool}
"""
ARGUMENTS: dict[str, Any] = {"kept": {"type": "path", "required": True}, "address": {"type": "str", "default": ""}}
RESOLV = Path("/etc/resolv.conf")
RESOLVED = "/run/systemd/resolve/"
KINDS = (socket.SOCK_DGRAM, socket.SOCK_STREAM)


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    content = text_of(RESOLV)
    fed = os.path.realpath(str(RESOLV)).startswith(RESOLVED) or "nameserver 127.0.0.53" in content
    return {
        **service("dnsmasq", [Listener(address, 53, kind) for address in ("127.0.0.1", asked["address"]) for kind in KINDS]),
        "manager": "resolved" if fed and running("systemd-resolved") else "file",
        "domain": socket.gethostname().partition(".")[2],
        "content": content,
        "link": os.readlink(RESOLV) if RESOLV.is_symlink() else "",
        "kept": text_of(asked["kept"]),
        "network_manager": bool(running("NetworkManager")),
        "dhclient": Path("/etc/dhcp/dhclient-enter-hooks.d").is_dir(),
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
