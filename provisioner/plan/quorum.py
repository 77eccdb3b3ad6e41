"""Quorums: how many of their members may be missing, and how an ensemble changes its size. Pure functions.

The rules for one ensemble, and what happens without them, stand with its component: `components/<name>/ensemble.py` has
`members(cluster, seen, rendered)` and `growth(of)`, and may have `shrink(…)` and `refuse_to_shrink(…)`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS, QUORUMS, component
from provisioner.components.model import Component
from provisioner.errors import StepFailed
from provisioner.inventory.wiring import quorum
from provisioner.observe.observation import Observation
from provisioner.plan.steps import Plan, Step, serves


@dataclass(frozen=True)
class Margin:
    """How many members of a quorum there are, serve now, and must serve."""

    component: Component
    members: int
    serving: int

    @property
    def needed(self) -> int:
        """The majority."""
        return quorum(self.members)

    @property
    def spare(self) -> int:
        """How many more may be missing; negative while it is lost."""
        return self.serving - self.needed

    def __str__(self) -> str:
        return f"{self.component.title}: {self.serving} of {self.members} serve, {self.needed} needed, {max(0, self.spare)} may be missing"

    def as_json(self) -> dict[str, object]:
        """One element of `plan --json`."""
        return {"component": self.component.name, "members": self.members, "serving": self.serving, "needed": self.needed}


def margins(cluster: Cluster, seen: Observation) -> list[Margin]:
    """Of every quorum that serves somewhere. A step that goes one at a time takes one member away."""
    found = []
    for name, group in QUORUMS.items():
        hosts = [h.name for h in cluster.members(group)]
        serving = sum(serves(seen, h, component(name)) for h in hosts)
        found += [Margin(component(name), len(hosts), serving)] if serving else []
    return found


def interruption(plan: Plan, cluster: Cluster, seen: Observation) -> str:
    """A sentence where the plan changes the only member, which works now, of components that elect a leader: nobody takes over; else ''."""
    changed = {(step.component.name, host) for step in plan.steps for host in step.hosts}
    elected = {c: [h.name for h in cluster.members(c.election.group)] for c in COMPONENTS if c.election}
    alone = [c.title for c, members in elected.items() for host in members[:1]
             if len(members) == 1 and (c.name, host) in changed and serves(seen, host, c)]
    return f"this stops the cluster for a while: there is no other member of {', '.join(alone)} to take over" if alone else ""


@dataclass(frozen=True)
class Growing:
    """What decides how an ensemble grows: `hosts` are the members on which something is to be done, `wanted` all it is to have."""

    hosts: Sequence[str]
    wanted: Sequence[str]
    cluster: Cluster
    seen: Observation
    rendered: Mapping[str, Any]


def growth(component: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation,
           rendered: Mapping[str, Any]) -> list[Step] | None:
    """The steps that make an ensemble larger; None when it has the members it should have, or nothing runs yet.

    `hosts` are the members on which something is to be done. Raises StepFailed when the change would lose data, or when the
    ensemble has members that are not in the inventory.
    """
    part = component.part("ensemble")
    if part is None:
        return None
    wanted = [h.name for h in cluster.members(component.voters)]
    found: list[Step] | None = part.growth(Growing(hosts, wanted, cluster, seen, rendered))
    return found


def ensembles() -> list[ModuleType]:
    """The rules of each ensemble."""
    return [part for c in COMPONENTS if (part := c.part("ensemble"))]


def refuse_strangers(component: Component, now: Collection[str], wanted: Sequence[str]) -> None:
    """StepFailed when an ensemble counts on members that the inventory does not have."""
    strangers = sorted(set(now) - set(wanted))
    if strangers:
        raise StepFailed(
            f"nothing was changed: {component.title} counts on {', '.join(strangers)}, which the inventory does not have as a member of "
            f"{component.voters}", hint="put them back into the inventory, then take them out with 'provision remove HOST …'",
        )
