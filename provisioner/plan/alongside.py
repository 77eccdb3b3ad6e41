"""Which steps of a plan go side by side: a fresh host spends most of its time waiting, for a service of one component as for the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from provisioner.components import stands_on
from provisioner.observe.observation import Observation
from provisioner.plan.steps import Step, serves


def side_by_side(steps: Sequence[Step], seen: Observation) -> list[Step]:
    """The same steps; those that bring up what serves nowhere yet go alongside the one before, where none of them stands on another.

    What serves is changed alone, as ever: members of two components that go at the same time would be more than a quorum can spare.
    """
    found: list[Step] = []
    stage: set[str] = set()
    for step in steps:
        new, name = _new(step, seen), step.component.name
        alongside = new and bool(stage) and _independent(name, stage)
        stage = ({*stage, name} if alongside else {name}) if new else set()
        found.append(dataclasses.replace(step, alongside=alongside))
    return found


def _new(step: Step, seen: Observation) -> bool:
    """Whether it brings up, on all its hosts at once, what serves on none of them."""
    whole = step.verb == "up" and not step.batch and not (step.if_needed or step.variables or step.expect)
    return whole and not any(serves(seen, host, step.component) for host in step.hosts)


def _independent(name: str, others: Collection[str]) -> bool:
    return name not in others and not stands_on(name) & {*others} and not any(name in stands_on(other) for other in others)
