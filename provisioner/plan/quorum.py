"""Changing the size of a quorum: who is touched in which order, and what each is told meanwhile. Pure functions.

The rules, and what happens without them:

* ZooKeeper: one member more or less at a time, because only then any majority before shares a member with any majority after.
  Each time the new member starts first and the others follow, the leader last. A lone member has no peers to follow, so it
  and the second one change together. (ZooKeeper administrator's guide, "Cluster options"; its static configuration.)
* Mesos masters: growing, the running ones get the larger quorum first, and only then others start; never more masters than
  2 * quorum - 1. A violated order loses acknowledged writes of the registry without any sign. (Mesos operational guide.)
* Consul: a server joins by itself; the others then learn of it one at a time.

* Members that leave ZooKeeper go one at a time too: each gives up the lead, the others stop counting on it, and only then does it stop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components import QUORUMS, component
from provisioner.components.model import Component
from provisioner.errors import StepFailed
from provisioner.inventory.render import host_variables
from provisioner.inventory.wiring import quorum
from provisioner.observe.observation import Observation
from provisioner.plan.steps import Step, in_order, serves


def members(component: str, seen: Observation, ids: Mapping[str, int]) -> frozenset[str] | None:
    """The members that the running ensemble itself counts; None when nothing of it runs. `ids` are those of ZooKeeper.

    Where members disagree (a change that was cut off in the middle), those that all of them count. Mesos masters count
    nobody by name: those that run are the members.
    """
    running = {host: health.get("facts") or {} for host in seen.hosts
               if (health := seen.health(host, component)) and health.get("state") in ("ok", "degraded")}
    if component == "mesos_master":
        return frozenset(running) or None
    counted = [own for host, facts in running.items() if (own := _counted(component, host, facts, ids)) is not None]
    return frozenset.intersection(*counted) if counted else None


def _counted(component: str, host: str, facts: Mapping[str, Any], ids: Mapping[str, int]) -> frozenset[str] | None:
    listed = facts.get("servers" if component == "zookeeper" else "raft_peers")
    if not isinstance(listed, list):
        return None
    if component == "consul":
        return frozenset(map(str, listed))
    names = {i: name for name, i in ids.items()}
    return frozenset(names.get(i, f"member {i}") for i in listed) or frozenset({host})


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


def growth(component: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation,
           rendered: Mapping[str, Any]) -> list[Step] | None:
    """The steps that make an ensemble larger; None when it has the members it should have, or nothing runs yet.

    `hosts` are the members on which something is to be done. Raises StepFailed when the change would lose data, or when the
    ensemble has members that are not in the inventory.
    """
    if component.name not in QUORUMS:
        return None
    wanted = [h.name for h in cluster.members(QUORUMS[component.name])]
    ids = {name: int(host_variables(rendered, name)["zookeeper_id"]) for name in wanted} if component.name == "zookeeper" else {}
    now = members(component.name, seen, ids)
    if now is None:
        _refuse_to_found(wanted, seen)
        return None
    if component.name == "mesos_master":
        return _masters(component, hosts, wanted, now, seen)
    _refuse_strangers(component, now, wanted)
    new = [name for name in wanted if name not in now]
    if not new:
        return None
    if component.name == "zookeeper":
        return _zookeepers(component, wanted, now, new, seen, rendered)
    return _consul_servers(component, hosts, now, new, seen)


def _refuse_strangers(component: Component, now: Collection[str], wanted: Sequence[str]) -> None:
    strangers = sorted(set(now) - set(wanted))
    if strangers:
        raise StepFailed(
            f"nothing was changed: {component.title} counts on {', '.join(strangers)}, which the inventory does not have as a member of "
            f"{QUORUMS[component.name]}", hint="put them back into the inventory, then take them out with 'provision remove HOST …'",
        )


def _refuse_to_found(wanted: Sequence[str], seen: Observation) -> None:
    """Members with empty disks are the majority where none serves: they would found an empty ensemble, and the others would follow it."""
    holding = [h for h in wanted if (seen.health(h, "zookeeper") or {}).get("facts", {}).get("written")]
    if 0 < len(holding) < quorum(len(wanted)):
        raise StepFailed(
            f"nothing was changed: of {len(wanted)} ZooKeeper members only {', '.join(holding)} still has data, and none serves: the "
            "others would agree on an empty one and it would be lost",
            hint="bring back the disk of another member; or 'provision reset --data', 'provision up' and 'provision restore FILE'",
        )


def _zookeepers(component: Component, wanted: Sequence[str], now: Collection[str], new: Sequence[str], seen: Observation,
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


def zookeeper_shrink(leaving: Sequence[str], lost: Collection[str], cluster: Cluster, seen: Observation,
                     rendered: Mapping[str, Any]) -> list[Step]:
    """The steps that take members out of ZooKeeper; those in `lost` can't be reached and are only no longer counted on.

    Members that nobody counts on any more (a removal that was cut off) are only cleaned.
    """
    zookeeper = component("zookeeper")
    ids = {h.name: int(host_variables(rendered, h.name)["zookeeper_id"]) for h in cluster.members("zookeeper")}
    now = members("zookeeper", seen, ids) or frozenset(ids)
    have = [name for name in ids if name in now]
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


def _masters(component: Component, hosts: Sequence[str], wanted: Sequence[str], now: Collection[str],
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
            hint=("the registry of a lone master can't grow. To start a new one: stop mesos-master there, delete /var/lib/mesos/master, "
                  "run 'provision up' again; tasks go on, maintenance and quotas are lost" if one else
                  f"bring up the masters that are down, or grow in steps: to {2 * len(now) - 1} masters at most at once"),
        )
    old = tuple(name for name in in_order(component, now, seen) if name in hosts)
    new = tuple(name for name in hosts if name not in now)
    steps = [Step(component, old, batch=1, all_or_none=True, why=f"quorum {goal}, before others join",
                  expect={"masters": len(now)})] if old else []
    return [*steps, Step(component, new, all_or_none=True, why="joins")] if new else steps


def refuse_too_few_masters(leaving: Collection[str], lost: Collection[str], cluster: Cluster) -> None:
    """StepFailed when those that stay are no majority of the old quorum: something acknowledged could be on none of them.

    When only masters leave that are `lost` anyway, there is nothing better to keep, and nothing is refused.
    """
    masters = {h.name for h in cluster.members("mesos_master")}
    staying = len(masters - set(leaving))
    if masters & set(leaving) - set(lost) and staying < quorum(len(masters)):
        fewest = quorum(len(masters)) | 1  # an ensemble is odd
        raise StepFailed(
            f"nothing was changed: {staying} of {len(masters)} Mesos masters would stay, fewer than their quorum of "
            f"{quorum(len(masters))}: what the others alone know would be lost",
            hint=f"remove fewer at once, so that {fewest} stay" if fewest < len(masters) else
                 "the registry can't become smaller than three; build a new cluster, or keep the masters",
        )


def _consul_servers(component: Component, hosts: Sequence[str], now: Collection[str], new: Sequence[str], seen: Observation) -> list[Step]:
    voting = {name for name in hosts if name in now}
    steps = [Step(component, (name,), all_or_none=True, why="joins", expect={"servers": len(now) + number})
             for number, name in enumerate(new, 1)]
    old = in_order(component, voting, seen)
    rest = tuple(name for name in hosts if name not in voting and name not in new)
    steps += [Step(component, tuple(old), batch=1, all_or_none=True, why="learns of the new servers")] if old else []
    return [*steps, Step(component, rest, why="learns of the new servers")] if rest else steps
