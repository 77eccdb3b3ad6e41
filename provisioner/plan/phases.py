"""Settings that members can't take up one after the other: a member that asks for something would refuse those that do not bring it yet.

Such a component gets there in phases: first everybody brings it and nobody asks for it, then it is asked for. Its folder says which
(`components/<name>/phases.py`); what a phase sets is not what the hosts are to have in the end, so nothing is noted on them, and a run
that was cut off is gone on with by the next one, from what the members then say of themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components.model import Component
from provisioner.errors import UsageError
from provisioner.observe.observation import Observation
from provisioner.plan.rolling import rolled
from provisioner.plan.steps import Step, running


@dataclass(frozen=True)
class Phase:
    """One pass over `hosts` with role variables that differ from the inventory's; `why` is for people."""

    hosts: tuple[str, ...]
    variables: Mapping[str, Any]
    why: str


def passes(component: Component, cluster: Cluster, seen: Observation, rendered: Mapping[str, Any], batch: str, *,
           limit: Collection[str] = ()) -> list[Step]:
    """The steps before the one that brings a component to what its inventory asks for; none where its members can go there at once.

    The part's function is `phases(wanted, serving)`: the role variables that hold in the whole cluster, and the facts of each member that
    serves. Raises UsageError where a phase concerns more hosts than the run is limited to.
    """
    part = component.part("phases")
    serving = running(seen, component)
    if part is None or not serving:
        return []
    found: list[Phase] = part.phases(rendered["all"]["vars"], serving)
    silent = [name for phase in found for name in phase.hosts if limit and name not in limit]
    if silent:
        raise UsageError(f"{component.title}: {found[0].why}, which concerns all of its members", hint="leave out --limit")
    return [replace(step, variables=phase.variables, why=phase.why)
            for phase in found for step in rolled(component, list(phase.hosts), cluster, seen, batch)]
