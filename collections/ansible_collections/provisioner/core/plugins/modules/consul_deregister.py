#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import json
import re
import socket
import urllib.parse
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.consul import Agent, RefusedError

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


def registered(agent: Agent, host: str) -> list[str]:
    """Ids of the services that Registrator registers for a host of this name."""
    ours = re.compile(re.escape(host) + r":[^:]+:\d+(:udp)?")
    try:
        return sorted(filter(ours.fullmatch, json.loads(agent.ask("GET", "/v1/agent/services"))))
    except RefusedError as error:
        if isinstance(error.__cause__, ConnectionRefusedError):
            return []
        raise


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        agent = Agent(module.params["agent"], json.loads(CREDENTIALS.read_text()) if CREDENTIALS.exists() else {}, SECONDS)
        services = registered(agent, socket.gethostname())
        for service in services if not module.check_mode else []:
            agent.ask("PUT", "/v1/agent/service/deregister/" + urllib.parse.quote(service, safe=""))
    except (OSError, ValueError, RefusedError) as error:
        module.fail_json(msg=f"The services of this host cannot be taken out of Consul at {module.params['agent']}: {error}")
    module.exit_json(changed=bool(services), services=services)


if __name__ == "__main__":
    main()
