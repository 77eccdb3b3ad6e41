#!/usr/bin/python
"""Ansible module: see DOCUMENTATION."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.provisioner.core.plugins.module_utils.host import docker_data

DOCUMENTATION = r"""
module: docker_swarm_info
short_description: How this host stands in its swarm
description: Asks the engine. Changes nothing. An engine that does not answer is an answer too.
options: {}
author: [provisioner]
"""
EXAMPLES = r"""
- name: Look at the swarm
  provisioner.core.docker_swarm_info:
"""
RETURN = r"""
state:
  description:
    - V(absent) (no engine), V(stopped) (an engine that does not answer, of a host that was in a swarm), V(inactive), V(pending),
      V(active), V(error) or V(locked).
  returned: always
  type: str
error: {description: The engine's own words., returned: always, type: str}
manager: {description: Whether the host manages the swarm., returned: always, type: bool}
node: {description: Its id there., returned: always, type: str}
nodes: {description: "On a manager, {id, address, role, availability, state} of each member.", returned: always, type: list}
joined: {description: "On a manager, the ids of the members after whose joining the tickets were changed.", returned: always, type: list}
networks: {description: "On a manager, the overlay networks, {name: {subnets, attachable, mtu, encrypted}}.", returned: always, type: dict}
"""
ARGUMENTS: dict[str, Any] = {}
#: Where role docker notes them.
JOINED = Path("/etc/docker/provisioner-joined")
#: The option by which a network was made with another MTU than Docker's own.
MTU = "com.docker.network.driver.mtu"


def docker(*arguments: str) -> str:
    """What the client prints. OSError has its words when it fails."""
    done = subprocess.run(["docker", *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(done.stderr.decode(errors="replace").strip())
    return done.stdout.decode()


def inspected(kind: str, identifiers: list[str]) -> Any:
    """What the engine says of these."""
    return json.loads(docker(kind, "inspect", *identifiers)) if identifiers else []


def node(details: dict[str, Any]) -> dict[str, str]:
    """A member of the swarm."""
    manager = details.get("ManagerStatus") or {}
    return {
        "id": details["ID"],
        "address": manager.get("Addr", "").rpartition(":")[0] or details["Status"].get("Addr", ""),
        "role": details["Spec"]["Role"],
        "availability": details["Spec"]["Availability"],
        "state": details["Status"]["State"],
    }


def network(details: dict[str, Any]) -> dict[str, Any]:
    """An overlay network."""
    return {
        "subnets": [part.get("Subnet") for part in details["IPAM"].get("Config") or []],
        "attachable": details["Attachable"],
        "mtu": int((details.get("Options") or {}).get(MTU, 0)),
        # An option without a value.
        "encrypted": "encrypted" in (details.get("Options") or {}),
    }


def look() -> dict[str, Any]:
    """See RETURN."""
    try:
        swarm = json.loads(docker("info", "--format", "{{json .Swarm}}"))
    except OSError as error:
        state = "stopped" if Path(docker_data(), "swarm/docker-state.json").exists() else "absent"
        return {"state": state, "error": str(error), "manager": False, "node": "", "nodes": [], "joined": [], "networks": {}}
    manager = bool(swarm.get("ControlAvailable")) and swarm["LocalNodeState"] == "active"
    nodes = inspected("node", docker("node", "ls", "--quiet").split()) if manager else []
    overlays = docker("network", "ls", "--quiet", "--filter", "driver=overlay").split() if manager else []
    return {
        "state": swarm["LocalNodeState"],
        "error": swarm.get("Error", ""),
        "manager": manager,
        "node": swarm.get("NodeID", ""),
        "nodes": [node(details) for details in nodes],
        "joined": JOINED.read_text(encoding="utf-8").split() if JOINED.exists() else [],
        "networks": {details["Name"]: network(details) for details in inspected("network", overlays)},
    }


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **look())
    except OSError as error:
        module.fail_json(msg=f"Docker does not say how the swarm stands: {error}")


if __name__ == "__main__":
    main()
