"""How Consul gets more servers: a server joins by itself; the others then learn of it one at a time. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components.consul.component import COMPONENT
from provisioner.components.model import Component
from provisioner.observe.observation import Observation
from provisioner.plan.quorum import Growing, refuse_strangers
from provisioner.plan.steps import Step, in_order, running


def members(cluster: Cluster, seen: Observation, rendered: Mapping[str, Any]) -> frozenset[str] | None:
    """The servers that all running ones count; None when none runs."""
    counted = [frozenset(map(str, facts["raft_peers"])) for facts in running(seen, COMPONENT).values()
               if isinstance(facts.get("raft_peers"), list)]
    return frozenset.intersection(*counted) if counted else None


def growth(of: Growing) -> list[Step] | None:
    """See `plan/quorum.growth`."""
    now = members(of.cluster, of.seen, of.rendered)
    if now is None:
        return None
    refuse_strangers(COMPONENT, now, of.wanted)
    new = [name for name in of.wanted if name not in now]
    return _join(COMPONENT, of.hosts, now, new, of.seen) if new else None


def _join(component: Component, hosts: Sequence[str], now: Collection[str], new: Sequence[str], seen: Observation) -> list[Step]:
    voting = {name for name in hosts if name in now}
    steps = [Step(component, (name,), all_or_none=True, why="joins", expect={"servers": len(now) + number})
             for number, name in enumerate(new, 1)]
    old = in_order(component, voting, seen)
    rest = tuple(name for name in hosts if name not in voting and name not in new)
    steps += [Step(component, tuple(old), batch=1, all_or_none=True, why="learns of the new servers")] if old else []
    return [*steps, Step(component, rest, why="learns of the new servers")] if rest else steps
