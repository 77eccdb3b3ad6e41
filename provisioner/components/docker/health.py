"""Docker Engine and, where one is wanted, its swarm with the overlay network."""

from typing import Any
from urllib.parse import quote

from provisioner.probe.health.answer import UnhealthyError, answer
from provisioner.probe.health.docker_engine import engine
from provisioner.probe.health.systemd import running


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one engine. Managers know the overlay network; a worker learns of it with its first container."""
    running(request["unit"], request.get("steady", 0))
    info = engine("/info").json()
    found = engine_facts(info)
    version = str(info.get("ServerVersion", ""))
    network = request.get("network", "")
    if request["overlay"] == "none":
        return answer("ok", "storage {}".format(found["storage"]), version, facts=found)
    if request["overlay"] != "swarm":
        return _with_network(network, "storage {}".format(found["storage"]), version, found)
    swarm = info.get("Swarm") or {}
    if found["swarm"] != "active":
        detail = "is in no swarm ({}) {}".format(found["swarm"], swarm.get("Error") or "").rstrip()
        raise UnhealthyError(detail, version, found)
    if not found["manager"]:
        return answer("ok", "swarm worker", version, facts=found)
    try:
        found["swarm_leader"] = _leads(str(swarm.get("NodeID", "")))
    except UnhealthyError as error:
        raise UnhealthyError(f"swarm manager without a working swarm: {error}", version, found) from error
    return _with_network(network, "swarm {}".format("leader" if found["swarm_leader"] else "manager"), version, found)


def _with_network(network: str, detail: str, version: str, found: "dict[str, Any]") -> "dict[str, Any]":
    if network and network not in overlays(engine("/networks").json()):
        raise UnhealthyError(f"the overlay network {network} does not exist", version, found)
    return answer("ok", detail, version, facts=found)


def engine_facts(info: "dict[str, Any]") -> "dict[str, Any]":
    """What others want to know of an engine, from its /info."""
    swarm = info.get("Swarm") or {}
    return {
        "storage": info.get("Driver", ""),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "cgroup_version": str(info.get("CgroupVersion", "1")),
        "swarm": swarm.get("LocalNodeState", "inactive"),
        "manager": bool(swarm.get("ControlAvailable")),
        "node_id": swarm.get("NodeID", ""),
        "cluster_id": (swarm.get("Cluster") or {}).get("ID", ""),
    }


def overlays(networks: "list[dict[str, Any]]") -> "list[str]":
    """Names of the overlay networks that ordinary containers may join."""
    return [str(n.get("Name")) for n in networks if n.get("Driver") == "overlay" and not n.get("Ingress")]


def _leads(node: str) -> bool:
    manager = engine(f"/nodes/{quote(node)}").json().get("ManagerStatus") or {}
    return bool(manager.get("Leader"))
