#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener, service

DOCUMENTATION = r"""
module: service_info
short_description: What there is of a program that runs under a unit of ours
description: Looks at a unit in /etc/systemd/system, at the places where its program listens, and at the image it runs. Changes nothing.
options:
  unit: {description: Name of the unit, type: str, required: true}
  image: {description: Image that the unit runs. Docker is asked only where one is named., type: str, default: ""}
  listeners:
    description: Where the program listens. An entry with an empty address is passed over.
    type: list
    elements: dict
    default: []
    options:
      address: {description: Address of this host, type: str, required: true}
      port: {description: TCP port, type: int, required: true}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at Marathon
  provisioner.core.service_info:
    unit: marathon
    image: mesosphere/marathon:v1.11.24
    listeners: [{address: 10.0.0.11, port: 8080}]
"""
RETURN = r"""
unit: {description: Whether the unit's file is there., returned: always, type: bool}
running: {description: Whether the unit runs., returned: always, type: bool}
absent: {description: Addresses that this host does not have., returned: always, type: list}
taken: {description: "{address, port} that another program holds.", returned: always, type: list}
docker: {description: Why Docker does not answer; empty if it does., returned: always, type: str}
image: {description: Whether Docker has the image., returned: always, type: bool}
"""
ARGUMENTS: dict[str, Any] = {
    "unit": {"type": "str", "required": True},
    "image": {"type": "str", "default": ""},
    "listeners": {"type": "list", "elements": "dict", "default": [], "options": {
        "address": {"type": "str", "required": True}, "port": {"type": "int", "required": True}}},
}
SECONDS = 60


def docker(*arguments: str) -> tuple[bool, str]:
    """Whether the client ends well, and its last words."""
    try:
        done = subprocess.run(["docker", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, done.stderr.decode(errors="replace").strip()


def look(asked: dict[str, Any]) -> dict[str, Any]:
    """See RETURN."""
    image = asked["image"]
    answers, words = docker("version", "--format", "{{.Server.Version}}") if image else (True, "")
    return {
        **service(asked["unit"], [Listener(**each) for each in asked["listeners"]]),
        "docker": "" if answers else words or "no reason given",
        "image": bool(image) and answers and docker("image", "inspect", image)[0],
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
