#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import http.client
import json
import re
import socket
import urllib.parse
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: consul_deregister
short_description: Take the services that Registrator put into this host's Consul agent out again
description: An agent that is gone has taken its services with it, which is no error.
options:
  agent: {description: "The agent, as host:port.", type: str, required: true}
notes: [It asks with the credentials of Registrator where this host has them.]
author: [provisioner]
"""
EXAMPLES = r"""
- name: Take the services of this host out of Consul
  provisioner.core.consul_deregister:
    agent: 127.0.0.1:8500
"""
RETURN = r"""
services: {description: Ids of the services., returned: always, type: list}
"""
ARGUMENTS: dict[str, Any] = {"agent": {"type": "str", "required": True}}
SECONDS = 30
CREDENTIALS = Path("/etc/provisioner/credentials/registrator.json")


def ask(agent: str, method: str, path: str) -> str:
    """The agent's answer. ValueError says why there is no good one."""
    connection = http.client.HTTPConnection(agent, timeout=SECONDS)
    connection.request(method, path, headers=json.loads(CREDENTIALS.read_text()) if CREDENTIALS.exists() else {})
    answer = connection.getresponse()
    text = answer.read().decode(errors="replace")
    if answer.status != 200:
        raise ValueError(f"Consul answers {method} {path} with {answer.status}: {text}")
    return text


def registered(agent: str, host: str) -> list[str]:
    """Ids of the services that Registrator registers for a host of this name."""
    ours = re.compile(re.escape(host) + r":[^:]+:\d+(:udp)?")
    try:
        return sorted(filter(ours.fullmatch, json.loads(ask(agent, "GET", "/v1/agent/services"))))
    except ConnectionRefusedError:
        return []


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    agent = module.params["agent"]
    try:
        services = registered(agent, socket.gethostname())
        for service in services if not module.check_mode else []:
            ask(agent, "PUT", "/v1/agent/service/deregister/" + urllib.parse.quote(service, safe=""))
    except (OSError, ValueError, http.client.HTTPException) as error:
        module.fail_json(msg=f"The services of this host cannot be taken out of Consul at {agent}: {error}")
    module.exit_json(changed=bool(services), services=services)


if __name__ == "__main__":
    main()
