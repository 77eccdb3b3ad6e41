"""Secrets of which members can't have different ones while they serve: all of them stop and start as one. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.cluster.model import Cluster
from provisioner.components.model import Component
from provisioner.components.rotation import OLD, of
from provisioner.observe.observation import Observation
from provisioner.plan.steps import Step, serves


def together(component: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation, rotating: Mapping[str, str]) -> list[Step]:
    """The steps where such a secret is to be used from now on; none where it is not, or where nobody serves who would have to stop."""
    changed = [each.name for each in of(component) if each.together and rotating.get(each.name) == OLD]
    serving = tuple(h for h in hosts if serves(seen, h, component))
    if not changed or not serving or len(cluster.members(component.name)) == 1:
        return []
    return [Step(component, serving, verb="stop", why=f"members with and without the new {' and '.join(changed)} can't serve together"),
            Step(component, tuple(hosts), all_or_none=True)]
