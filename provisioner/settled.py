"""Waiting for leaders of Marathon and Chronos whose lists can be believed: one that was just elected may list nothing."""

from __future__ import annotations

from collections.abc import Collection

from provisioner.components import component
from provisioner.errors import StepFailed
from provisioner.execution import look_patiently
from provisioner.frameworks import leader, settled
from provisioner.observe import Observation, observe
from provisioner.session import Session


def await_settled(session: Session, names: Collection[str]) -> dict[str, str]:
    """The leader's host of each of these components, when it has had time to load what it keeps.

    Waits for at most a minute. Raises StepFailed that says which has none, and what the member that should lead says of itself.
    """
    def refuse(seen: Observation) -> None:
        for name in names:
            if not settled(seen, name):
                raise StepFailed(f"nothing was done: {component(name).title} has no leader that Mesos has known for some seconds, "
                                 f"so what it lists may not be all: {_said(session, name, seen)}",
                                 hint="'provision status' says what is wrong")

    seen = look_patiently(lambda: observe(session.cluster, session.rendered, session.transport, sections=("health",), components=names),
                          refuse) if names else Observation({})
    return {name: leader(seen, name) for name in names}


def _said(session: Session, name: str, seen: Observation) -> str:
    health = {host.name: seen.health(host.name, name) or {} for host in session.cluster.members(name)}
    host = next((h for h, said in health.items() if said.get("leader")), next(iter(health)))
    return f"{host} {health[host].get('detail') or 'does not answer'}"
