"""Print, as JSON, how this host stands in its swarm. Argument 1: the host's name, which is printed again.

state     absent (no engine), stopped (an engine that does not answer, of a host that was in a swarm), inactive, pending, active,
          error or locked; error: the engine's own words
manager   whether it manages the swarm; node: its id there
nodes     on a manager: [{id, address, role, availability, state}]
networks  on a manager: overlay networks, {name: {subnets, attachable}}
"""
import json
import subprocess
import sys
from pathlib import Path


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: UP022 - came with 3.7
    if done.returncode != 0:
        raise OSError(done.stderr.decode(errors="replace").strip())
    return done.stdout.decode()


def inspected(kind, identifiers):
    return json.loads(docker(kind, "inspect", *identifiers)) if identifiers else []


def node(details):
    manager = details.get("ManagerStatus") or {}
    return {
        "id": details["ID"],
        "address": manager.get("Addr", "").rpartition(":")[0] or details["Status"].get("Addr", ""),
        "role": details["Spec"]["Role"],
        "availability": details["Spec"]["Availability"],
        "state": details["Status"]["State"],
    }


def network(details):
    return {
        "subnets": [part.get("Subnet") for part in details["IPAM"].get("Config") or []],
        "attachable": details["Attachable"],
    }


def standing():
    try:
        swarm = json.loads(docker("info", "--format", "{{json .Swarm}}"))
    except OSError as error:
        state = "stopped" if Path("/var/lib/docker/swarm/docker-state.json").exists() else "absent"
        return {"state": state, "error": str(error), "manager": False, "node": "", "nodes": [], "networks": {}}
    manager = bool(swarm.get("ControlAvailable")) and swarm["LocalNodeState"] == "active"
    nodes = inspected("node", docker("node", "ls", "--quiet").split()) if manager else []
    overlays = docker("network", "ls", "--quiet", "--filter", "driver=overlay").split() if manager else []
    return {
        "state": swarm["LocalNodeState"],
        "error": swarm.get("Error", ""),
        "manager": manager,
        "node": swarm.get("NodeID", ""),
        "nodes": [node(details) for details in nodes],
        "networks": {details["Name"]: network(details) for details in inspected("network", overlays)},
    }


if __name__ == "__main__":
    print(json.dumps(dict(standing(), name=sys.argv[1])))
