#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import (
    Listener,
    docker_data,
    docker_settings,
    left_behind,
    printed,
    refused,
    running,
    text_of,
)

DOCUMENTATION = r"""
module: docker_info
short_description: What there is of Docker Engine on this host
description: Looks at versions, package holds and the address of the overlay network. Changes nothing.
options:
  packages: {description: "The engine's packages, the engine first.", type: list, elements: str, default: []}
  address: {description: Address that overlay traffic uses., type: str, default: ""}
  data: {description: Folder that the engine is to keep its data in., type: path, default: /var/lib/docker}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the engine
  provisioner.core.docker_info:
    packages: [docker.io]
    address: 10.0.0.11
"""
RETURN = r"""
installed: {description: "Version of the engine, empty if there is none.", returned: always, type: str}
candidate: {description: "Version that apt would install, empty if unknown.", returned: always, type: str}
running: {description: Whether the daemon runs., returned: always, type: bool}
start: {description: "What systemd calls this start of it.", returned: always, type: str}
waits: {description: Whether this start of it was left running with older settings., returned: always, type: bool}
settings: {description: "What the daemon is told by its file, empty if there is none.", returned: always, type: dict}
left: {description: "{from, to} of data that is where the daemon was told before.", returned: always, type: list}
absent: {description: The address if this host does not have it., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {
    "packages": {"type": "list", "elements": "str", "default": []},
    "address": {"type": "str", "default": ""},
    "data": {"type": "path", "default": "/var/lib/docker"},
}


#: Written by this role only.
OURS = Path("/etc/systemd/system/docker.service.d/provisioner.conf")

#: Which start of the daemon goes on with older settings.
LEFT = "/run/provisioner-docker-left-running"


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    packages = asked["packages"]
    version = re.search(r"version ([0-9.]+)", printed("dockerd", "--version"))
    candidate = re.search(r"Candidate: (?:\d+:)?([0-9.]+)", printed("apt-cache", "policy", *packages[:1]))
    invocation = printed("systemctl", "show", "--property=InvocationID", "--value", "docker").strip()
    return {
        "installed": version.group(1) if version else "",
        "candidate": candidate.group(1) if candidate else "",
        "running": bool(running("docker")),
        "start": invocation,
        "waits": bool(invocation) and text_of(LEFT).strip() == invocation,
        "settings": docker_settings(),
        # An engine that others have installed is taken over with nothing.
        "left": left_behind(docker_data() if OURS.exists() else "", asked["data"]),
        "absent": refused([Listener(asked["address"], 0)])[0],
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
