"""Secrets of which members can't have different ones while they serve: all of them stop and start as one. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import no_answer
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.components.rotation import OLD, of
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.observation import Observation
from provisioner.plan.steps import Step, serves


def together(component: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation, rotating: Mapping[str, str], *,
             partial: bool = False) -> list[Step]:
    """The steps where such a secret is to be used from now on; none where it is not, or where nobody serves who would have to stop.

    `partial`: the run is limited to some hosts or components. Raises UsageError and StepFailed where not all members can go along.
    """
    changed = [each for each in of(component) if each.together and rotating.get(each.name) == OLD]
    serving = tuple(h for h in hosts if serves(seen, h, component))
    between = [Step(one, keeper[:1], why=f"what {component.title} left is for the new one, too") for one in COMPONENTS
               if one.name in {each.between for each in changed} and (keeper := tuple(h.name for h in cluster.members(one.name)))]
    if not hosts or not changed or not (serving or between) or (len(cluster.members(component.name)) == 1 and not between):
        return []
    why = f"members with and without the new {' and '.join(each.name for each in changed)} can't serve together"
    silent = sorted(h.name for h in cluster.members(component.name) if not seen.hosts[h.name].reachable)
    if partial:
        raise UsageError(f"{component.title}: {why}, which concerns all of them", hint="leave out --only and --limit")
    if silent:
        raise StepFailed(f"nothing was changed: {component.title}: {why}, and {no_answer(silent)}",
                         hint="bring them back, or take them out with 'provision remove'")
    stop = [Step(component, serving, verb="stop", why=why)] if serving else []
    return [*stop, *between, Step(component, tuple(hosts), all_or_none=True)]
