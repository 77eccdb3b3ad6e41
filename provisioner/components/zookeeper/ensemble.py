"""How ZooKeeper's ensemble changes its size. Pure functions.

One member more or less at a time, because only then any majority before shares a member with any majority after. Each time the new
member starts first and the others follow, the leader last. A lone member has no peers to follow, so it and the second one change
together. Members that leave go one at a time too: each gives up the lead, the others stop counting on it, and only then does it stop.
(ZooKeeper administrator's guide, "Cluster options"; its static configuration.)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components.model import Component
from provisioner.components.zookeeper.component import COMPONENT
from provisioner.errors import StepFailed
from provisioner.inventory.render import host_variables
from provisioner.inventory.wiring import quorum
from provisioner.observe.observation import Observation
from provisioner.plan.quorum import Growing, refuse_strangers
from provisioner.plan.steps import Step, in_order, running


def members(cluster: Cluster, seen: Observation, rendered: Mapping[str, Any]) -> frozenset[str] | None:
    """The members that the running ensemble itself counts; None when nothing of it runs.

    Where members disagree (a change that was cut off in the middle), those that all of them count.
    """
    names = {int(host_variables(rendered, h.name)["zookeeper_id"]): h.name for h in cluster.members(COMPONENT.voters)}
    counted = [frozenset(names.get(i, f"member {i}") for i in facts["servers"]) or frozenset({host})
               for host, facts in running(seen, COMPONENT).items() if isinstance(facts.get("servers"), list)]
    return frozenset.intersection(*counted) if counted else None


def growth(of: Growing) -> list[Step] | None:
    """See `plan/quorum.growth`."""
    now = members(of.cluster, of.seen, of.rendered)
    if now is None:
        _refuse_to_found(of.wanted, of.seen)
        return None
    refuse_strangers(COMPONENT, now, of.wanted)
    new = [name for name in of.wanted if name not in now]
    return _one_by_one(COMPONENT, of.wanted, now, new, of.seen, of.rendered) if new else None


def _refuse_to_found(wanted: Sequence[str], seen: Observation) -> None:
    """Members with empty disks are the majority where none serves: they would found an empty ensemble, and the others would follow it."""
    holding = [h for h in wanted if (seen.health(h, "zookeeper") or {}).get("facts", {}).get("written")]
    if 0 < len(holding) < quorum(len(wanted)):
        raise StepFailed(
            f"nothing was changed: of {len(wanted)} ZooKeeper members only {', '.join(holding)} still has data, and none serves: the "
            "others would agree on an empty one and it would be lost",
            hint="bring back the disk of another member; or 'provision reset --data', 'provision up' and 'provision restore FILE'",
        )


def _one_by_one(component: Component, wanted: Sequence[str], now: Collection[str], new: Sequence[str], seen: Observation,
                rendered: Mapping[str, Any]) -> list[Step]:
    steps: list[Step] = []
    have = [name for name in wanted if name in now]
    for name in new:
        old, have = have, sorted([*have, name], key=wanted.index)
        final = len(have) == len(wanted)
        told = {} if final else {"zookeeper_servers": servers(rendered, have)}
        expect = {"members": len(have)}
        why = f"{name} becomes member {len(have)} of {len(wanted)}"
        if len(old) == 1:
            steps.append(Step(component, tuple(have), all_or_none=True, why=why, variables=told, expect=expect))
        else:
            order = (name, *in_order(component, old, seen))
            steps.append(Step(component, order, batch=1, all_or_none=True, why=why, variables=told, expect=expect))
    return steps


def shrink(leaving: Sequence[str], lost: Collection[str], cluster: Cluster, seen: Observation, rendered: Mapping[str, Any]) -> list[Step]:
    """The steps that take members out; those in `lost` can't be reached and are only no longer counted on.

    Members that nobody counts on any more (a removal that was cut off) are only cleaned.
    """
    zookeeper = COMPONENT
    all_of_them = [h.name for h in cluster.members(zookeeper.voters)]
    now = members(cluster, seen, rendered) or frozenset(all_of_them)
    have = [name for name in all_of_them if name in now]
    steps: list[Step] = []
    for name in sorted(leaving, key=lambda n: n not in lost):  # a quorum that misses one already is the first to be made whole
        there = () if name in lost else (name,)
        if name in have:
            have.remove(name)
            steps += [Step(zookeeper, there, verb="drain", why="gives up the lead")] if there else []
            steps.append(Step(zookeeper, tuple(n for n in have if n not in lost), batch=1, all_or_none=True, why=f"{name} leaves",
                              variables={"zookeeper_servers": servers(rendered, have)},
                              expect={"members": len([n for n in have if n not in lost])}))
        steps += [Step(zookeeper, there, verb="remove")] if there else []
    return steps


def servers(rendered: Mapping[str, Any], names: Collection[str]) -> list[dict[str, Any]]:
    """What ZooKeeper's configuration says of these members."""
    own = (host_variables(rendered, name) for name in names)
    rows = [{"id": int(v["zookeeper_id"]), "address": str(v["zookeeper_address"])} for v in own]
    return sorted(rows, key=lambda row: int(row["id"]))
