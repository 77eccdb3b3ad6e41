"""What `up` will do, as a frozen list of steps: a pure function of the cluster and of what was seen on its hosts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from provisioner.cluster import Cluster
from provisioner.components import COMPONENTS, Component
from provisioner.ensemble import GROUPS, growth
from provisioner.errors import UsageError
from provisioner.observe import Observation
from provisioner.steps import Plan, Step, in_order, serves

#: How many agents at a time, unless asked otherwise.
BATCH = "20%"
#: Groups whose members vote.
QUORUMS = ("zookeeper", "mesos_master", "consul_server")


def make_plan(cluster: Cluster, rendered: Mapping[str, Any], seen: Observation, *, only: Collection[str] = (), limit: Collection[str] = (),
              full: bool = False, batch: str = BATCH) -> Plan:
    """The steps that bring every component up in build order, on the hosts where it is not, or no longer, as it should be.

    `only` keeps the named components, `limit` the named hosts; hosts that did not answer are left out; with
    `full`, hosts where everything is as applied are done again; for `batch` see `rolled`. An ensemble that gets new members is
    changed by the rules in `ensemble`. Raises UsageError and StepFailed when that can't be done.
    """
    usable = {name for name, host in seen.hosts.items() if host.reachable and (not limit or name in limit)}
    steps: list[Step] = []
    for component in COMPONENTS:
        if only and component.name not in only:
            continue
        hosts = [h.name for h in cluster.members(component.name) if h.name in usable and (full or seen.why(h.name, component.name))]
        grown = growth(component, hosts, cluster, seen, rendered)
        if grown and limit:
            raise UsageError(f"{component.title} gets new members, which concerns all of them", hint="leave out --limit")
        own = grown or rolled(component, hosts, cluster, seen, batch)
        steps += [s if s.why else dataclasses.replace(s, why=_why(s, seen)) for s in own]
    return Plan(cluster.name, tuple(steps), voters(cluster))


def rolled(component: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation, batch: str = BATCH) -> list[Step]:
    """How a component is changed on these hosts.

    Where it serves already: members that serve together one at a time, the leader last, because a change of leader is what
    costs (a change of Mesos leader takes about 10 s). Before them, all at once, those that serve nobody yet, unless they vote.
    Then the others, `batch` of them at a time ("20%" or a number) when what runs on them feels it. Where it serves nowhere yet:
    on all at once.
    """
    if not hosts:
        return []
    together = {h.name for h in cluster.members(component.rolling)} if component.rolling else set()
    living = any(serves(seen, name, component) for name in together)
    if together and not living:
        return [Step(component, tuple(hosts), all_or_none=bool(together & set(hosts)))]
    fresh = tuple(n for n in hosts if n in together and component.name not in GROUPS and not serves(seen, n, component))
    one_by_one = in_order(component, [n for n in hosts if n in together and n not in fresh], seen)
    rest = tuple(n for n in hosts if n not in together)
    size = share(batch, len(rest)) if component.batched and any(serves(seen, n, component) for n in rest) else 0
    steps = [Step(component, fresh, all_or_none=True)] if fresh else []
    steps += [Step(component, tuple(one_by_one), batch=1, all_or_none=True)] if one_by_one else []
    return [*steps, Step(component, rest, batch=0 if size >= len(rest) else size)] if rest else steps


def share(batch: str, hosts: int) -> int:
    """How many hosts at a time: "20%" of them, rounded down, or a number; at least one. Raises UsageError."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})(%?)", batch)
    if found is None or (found[2] and int(found[1]) > 100):
        raise UsageError(f"--batch: {batch!r} is no number of hosts", hint="a number such as 5, or a share such as 20%")
    return max(1, hosts * int(found[1]) // 100 if found[2] else int(found[1]))


def voters(cluster: Cluster) -> frozenset[str]:
    """The hosts whose votes make ZooKeeper's, Mesos' and Consul's quorums."""
    return frozenset(h.name for group in QUORUMS for h in cluster.members(group))


def _why(step: Step, seen: Observation) -> str:
    """The reasons, each with its hosts; nothing where a component is simply new."""
    reasons: dict[str, list[str]] = {}
    for host in step.hosts:
        reasons.setdefault(seen.why(host, step.component.name), []).append(host)
    reasons.pop("", None)
    if len(reasons) == 1 and not any(serves(seen, host, step.component) for host in step.hosts):
        return ""
    return "; ".join(f"{text} ({', '.join(hosts)})" if len(step.hosts) > len(hosts) else text for text, hosts in reasons.items())
