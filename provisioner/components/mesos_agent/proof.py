"""The agents that a proof goes over: those that take work."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.cluster.names import host_list
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.observe.observation import Observation
from provisioner.observe.proof import Link, Proof

LINKS: tuple[Link, ...] = ()


def prepare(proof: Proof, seen: Observation) -> str:
    """Agents that somebody took out of service on purpose are left alone. Raises BrokenLink when none is left."""
    agents: list[Host] = []
    resting: list[Host] = []
    for host in proof.cluster.members("mesos_agent"):
        health = seen.health(host.name, "mesos_agent")
        out = bool(health and health["facts"].get("deactivated"))
        (resting if out else agents).append(host)
    proof.agents = tuple(agents)
    if not agents:
        raise BrokenLink("Mesos agents", "there is no Mesos agent that takes work")
    return f"left out, because deactivated: {host_list([h.name for h in resting])}" if resting else ""
