"""Settings that members can't take up one after the other: a member that asks for something would refuse those that do not bring it yet.

Such a component gets there in phases: first everybody brings it and nobody asks for it, then it is asked for. Its folder says which
(`components/<name>/phases.py`); what a phase sets is not what the hosts are to have in the end, so nothing is noted on them, and a run
that was cut off is gone on with by the next one, from what the members then say of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import no_answer
from provisioner.components.model import Component
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.observation import Observation
from provisioner.plan.rolling import rolled
from provisioner.plan.steps import Step, running
from provisioner.plan.versions import Moves


@dataclass(frozen=True)
class Members:
    """Those of one component that has members which serve: the facts of each of these by its host, and the hosts where it does not serve.

    `wanted` are the role variables that hold in the whole cluster. `moving`: the component itself gets another version.
    """

    cluster: Cluster
    wanted: Mapping[str, Any]
    serving: Mapping[str, Mapping[str, Any]]
    absent: frozenset[str] = frozenset()
    moving: bool = False


@dataclass(frozen=True)
class Phase:
    """One pass over `hosts` with role variables that differ from the inventory's; `why` is for people."""

    hosts: tuple[str, ...]
    variables: Mapping[str, Any]
    why: str


def on_the_way(at: Mapping[str, int], *, forward: bool) -> dict[str, int]:
    """Where members are, by how many phases; without those who can't have been left there.

    All members go through a phase before one begins the next. Who is further behind the furthest has lost its settings, and would not be
    understood in a phase which nobody else is in: like one that does not serve it goes along where others go.
    """
    furthest = (max if forward else min)(at.values(), default=0)
    return {host: now for host, now in at.items() if abs(now - furthest) <= 1}


def passes(component: Component, cluster: Cluster, seen: Observation, rendered: Mapping[str, Any], batch: str, *, partial: bool,
           moving: Moves) -> tuple[list[Step], bool]:
    """The steps before the one that brings a component to what its inventory asks for, none where its members can go there at once; and
    whether that one has to wait until the others have changed too.

    The part's functions are `phases(members)`; members that do not serve go along where others need a pass, so that they understand each
    other; and, where others ask the component, `arrived(members)`: all that serve ask of them what the inventory says. `partial`: the
    run is limited to some hosts or components. Raises UsageError and StepFailed where it must not be gone yet.
    """
    part = component.part("phases")
    serving = running(seen, component)
    if part is None or not serving:
        return [], False
    members = {h.name for h in cluster.members(component.name)}
    moves = component.name in moving
    asked = Members(cluster, rendered["all"]["vars"], serving, frozenset(members - serving.keys()), moves)
    found: list[Phase] = part.phases(asked)
    if not found:
        arrived = getattr(part, "arrived", None)
        return [], arrived is not None and not arrived(asked)
    what = f"{component.title}: {found[0].why}, which concerns all of its members"
    silent = sorted(name for name in members if not seen.hosts[name].reachable)
    if partial:
        raise UsageError(what, hint="leave out --only and --limit")
    if silent:
        raise StepFailed(f"nothing was changed: {what}, and {no_answer(silent)}",
                         hint="bring them back, or take them out with 'provision remove'")
    if moving and not moves:
        raise StepFailed(f"nothing was changed: {what}, in a run of its own",
                         hint="put the old versions back into the inventory for this run")
    return [replace(step, variables=phase.variables, why=phase.why)
            for phase in found for step in rolled(component, list(phase.hosts), cluster, seen, batch)], True

