"""How the ensemble of Mesos masters changes its size. Pure functions.

Growing, the running masters get the larger quorum first, and only then others start; never more masters than 2 * quorum - 1. A violated
order loses acknowledged writes of the registry without any sign. (Mesos operational guide.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components.mesos_master.component import COMPONENT
from provisioner.components.model import Component
from provisioner.errors import StepFailed
from provisioner.inventory.wiring import quorum
from provisioner.observe.observation import Observation
from provisioner.plan.quorum import Growing
from provisioner.plan.steps import Step, in_order, running


def members(cluster: Cluster, seen: Observation, rendered: Mapping[str, Any]) -> frozenset[str] | None:
    """Masters count nobody by name: those that run are the members. None when none does."""
    return frozenset(running(seen, COMPONENT)) or None


def growth(of: Growing) -> list[Step] | None:
    """See `plan/quorum.growth`."""
    now = members(of.cluster, of.seen, of.rendered)
    return None if now is None else _quorum_first(COMPONENT, of.hosts, of.wanted, now, of.seen)


def _quorum_first(component: Component, hosts: Sequence[str], wanted: Sequence[str], now: Collection[str],
                  seen: Observation) -> list[Step] | None:
    goal = quorum(len(wanted))
    facts = [(seen.health(name, component.name) or {}).get("facts", {}) for name in now]
    running = [int(f.get("quorum", goal)) for f in facts]
    replicas = max(int(f.get("ensemble_size", 0)) for f in facts)
    if replicas > len(wanted):
        raise StepFailed(
            f"nothing was changed: {replicas} Mesos masters keep the registry, but the inventory has {len(wanted)}: a smaller quorum "
            "beside them would lose data", hint="put the others back into the inventory, then take them out with 'provision remove HOST …'",
        )
    if min(running) >= goal:
        return None
    if len(now) < goal:
        one = len(now) == 1
        raise StepFailed(
            f"nothing was changed: {len(now)} Mesos {'master runs' if one else 'masters run'} with quorum {min(running)}; the new quorum "
            f"of {goal} needs that many before others join",
            hint=("the registry of a lone master can't grow. To start a new one: stop mesos-master there, delete the folder master in "
                  "mesos_work_dir (/var/lib/mesos), run 'provision up' again; tasks go on, maintenance and quotas are lost" if one else
                  f"bring up the masters that are down, or grow in steps: to {2 * len(now) - 1} masters at most at once"),
        )
    old = tuple(name for name in in_order(component, now, seen) if name in hosts)
    new = tuple(name for name in hosts if name not in now)
    steps = [Step(component, old, batch=1, all_or_none=True, why=f"quorum {goal}, before others join",
                  expect={"masters": len(now)})] if old else []
    return [*steps, Step(component, new, all_or_none=True, why="joins")] if new else steps


def refuse_to_shrink(leaving: Collection[str], lost: Collection[str], cluster: Cluster) -> None:
    """StepFailed when those that stay are no majority of the old quorum: something acknowledged could be on none of them.

    When only masters leave that are `lost` anyway, there is nothing better to keep, and nothing is refused.
    """
    masters = {h.name for h in cluster.members(COMPONENT.voters)}
    staying = len(masters - set(leaving))
    if masters & set(leaving) - set(lost) and staying < quorum(len(masters)):
        fewest = quorum(len(masters)) | 1  # an ensemble is odd
        raise StepFailed(
            f"nothing was changed: {staying} of {len(masters)} Mesos masters would stay, fewer than their quorum of "
            f"{quorum(len(masters))}: what the others alone know would be lost",
            hint=f"remove fewer at once, so that {fewest} stay" if fewest < len(masters) else
                 "the registry can't become smaller than three; build a new cluster, or keep the masters",
        )
