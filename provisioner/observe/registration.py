"""Marathon and Chronos lead with a framework that Mesos knows: without it they accept everything and start nothing."""

from __future__ import annotations

from provisioner.components import SCHEDULERS, component
from provisioner.hosts.remote_calls import BrokenLink
from provisioner.observe.frameworks import leader, removed, settled
from provisioner.observe.observation import Observation
from provisioner.observe.proof import Proof

#: A leader that has just been elected registers, and loads what it keeps, within seconds.
REGISTER_SECONDS = 10.0
SETTLE_SECONDS = 30.0


def registered(proof: Proof) -> str:
    """Each of the two has a leader whose framework Mesos lists as active and connected from there."""
    seen = [_look(proof)]

    def all_lead() -> bool | None:
        seen.append(_look(proof))
        return True if removed(seen[-1]) or all(leader(seen[-1], name) for name in _used(proof)) else None

    if not all(leader(seen[0], name) for name in _used(proof)):
        proof.until(REGISTER_SECONDS, all_lead)
    for name in sorted(_used(proof), key=lambda name: name not in removed(seen[-1])):
        if not leader(seen[-1], name):
            raise _why_not(proof, name, seen[-1])
    return ", ".join(f"{component(name).title} from {leader(seen[-1], name)}" for name in _used(proof))


def await_settled(proof: Proof) -> None:
    """Wait for leaders that have loaded what they keep, before "not found" is believed; not for long, as one may be broken."""
    def ready() -> bool | None:
        seen = _look(proof)
        return True if removed(seen) or all(settled(seen, name) for name in _used(proof)) else None

    proof.until(SETTLE_SECONDS, ready)


def _used(proof: Proof) -> list[str]:
    return [name for name in SCHEDULERS if proof.cluster.members(name)]


def _look(proof: Proof) -> Observation:
    return proof.look(tuple({host.name: None for name in SCHEDULERS for host in proof.cluster.members(name)}))


def _why_not(proof: Proof, name: str, seen: Observation) -> BrokenLink:
    """The member that leads without being registered, else one that is down, else the first one."""
    title = component(name).title
    members = [(host.name, seen.health(host.name, name) or {}) for host in proof.cluster.members(name)]
    ill = [m for m in members if m[1].get("leader")] or [m for m in members if m[1].get("state") == "down"] or members
    host, health = ill[0]
    return BrokenLink(f"{title} on {host}", str(health.get("detail") or f"no {title} leads"))
