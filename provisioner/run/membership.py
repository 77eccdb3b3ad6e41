"""Hosts that are gone for good: what still counts on them is told, by `components/<name>/membership.py`."""

from __future__ import annotations

from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.observe.observation import Observation
from provisioner.plan.steps import serves


def forget(lost: Host, staying: Cluster, seen: Observation, calls: RemoteCalls) -> None:
    """Tell the components that this host was in; those of `staying` that serve do it. Raises UnreachableError."""
    for component in COMPONENTS:
        part = component.part("membership")
        if part and component.name in lost.groups:
            members = staying.members(component.server_group or component.name)
            part.forget(calls, [h for h in members if h.name != lost.name and serves(seen, h.name, component)], lost.name)
