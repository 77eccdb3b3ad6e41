"""What `up` will do, as a frozen list of steps: a pure function of the cluster and of what was seen on its hosts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

from provisioner.cluster import Cluster, Host
from provisioner.components import COMPONENTS, Component
from provisioner.observe import Observation

#: Groups whose members vote.
QUORUMS = ("zookeeper", "mesos_master", "consul_server")


@dataclass(frozen=True)
class Step:
    """One component on some hosts.

    `batch` hosts are worked on at a time, in the order of `hosts`; 0 means all at once. In a step that is
    `all_or_none` the first failure stops the rest: its hosts serve together. `why` says for people what makes it necessary.
    """

    component: Component
    hosts: tuple[str, ...]
    batch: int = 0
    all_or_none: bool = False
    why: str = ""

    def describe(self) -> str:
        """One line for people."""
        how = "all at once" if not self.batch else "one at a time" if self.batch == 1 else f"{self.batch} at a time"
        text = f"{self.component.title} on {', '.join(self.hosts)}" + (f" ({how})" if len(self.hosts) > 1 else "")
        return f"{text}: {self.why}" if self.why else text


    def as_json(self) -> dict[str, object]:
        """One element of `plan --json`."""
        return {"component": self.component.name, "hosts": list(self.hosts), "at_a_time": self.batch or len(self.hosts), "why": self.why}


@dataclass(frozen=True)
class Plan:
    """The steps, in order. `voters` are the hosts that some quorum needs: losing one of them ends a run."""

    cluster: str
    steps: tuple[Step, ...]
    voters: frozenset[str] = frozenset()

    def without(self, hosts: Collection[str]) -> Plan:
        """The same plan with some hosts left out."""
        steps = (dataclasses.replace(s, hosts=tuple(h for h in s.hosts if h not in hosts)) for s in self.steps)
        return dataclasses.replace(self, steps=tuple(s for s in steps if s.hosts))


def make_plan(cluster: Cluster, seen: Observation, *, only: Collection[str] = (), limit: Collection[str] = (), full: bool = False) -> Plan:
    """The steps that bring every component up in build order, on the hosts where it is not, or no longer, as it should be.

    `only` keeps the named components, `limit` the named hosts; hosts that did not answer are left out; with
    `full`, hosts where everything is as applied are done again. Components that already serve are changed one host at a
    time, the leader last, because a change of leader is what costs (a change of Mesos leader takes about 10 s);
    components that serve nowhere yet are built on all their hosts at once.
    """
    usable = {name for name, host in seen.hosts.items() if host.reachable and (not limit or name in limit)}
    steps: list[Step] = []
    for component in COMPONENTS:
        if only and component.name not in only:
            continue
        hosts = [h for h in cluster.members(component.name) if h.name in usable and (full or seen.why(h.name, component.name))]
        steps += [dataclasses.replace(s, why=_why(s, seen)) for s in _steps(component, hosts, cluster, seen)]
    return Plan(cluster.name, tuple(steps), voters(cluster))


def voters(cluster: Cluster) -> frozenset[str]:
    """The hosts whose votes make ZooKeeper's, Mesos' and Consul's quorums."""
    return frozenset(h.name for group in QUORUMS for h in cluster.members(group))


def _steps(component: Component, hosts: list[Host], cluster: Cluster, seen: Observation) -> list[Step]:
    if not hosts:
        return []
    names = tuple(h.name for h in hosts)
    voters = {h.name for h in cluster.members(component.rolling)} if component.rolling else set()
    if not any(_serves(seen, name, component) for name in voters):
        return [Step(component, names, all_or_none=bool(component.rolling))]
    rolled = sorted((n for n in names if n in voters), key=lambda n: (_leads(seen, n, component), n))
    rest = tuple(n for n in names if n not in voters)
    steps = [Step(component, tuple(rolled), batch=1, all_or_none=True)] if rolled else []
    return [*steps, Step(component, rest)] if rest else steps


def _why(step: Step, seen: Observation) -> str:
    """The reasons, each with its hosts; nothing where a component is simply new."""
    reasons: dict[str, list[str]] = {}
    for host in step.hosts:
        reasons.setdefault(seen.why(host, step.component.name), []).append(host)
    reasons.pop("", None)
    if len(reasons) == 1 and not any(_serves(seen, host, step.component) for host in step.hosts):
        return ""
    return "; ".join(f"{text} ({', '.join(hosts)})" if len(step.hosts) > len(hosts) else text for text, hosts in reasons.items())


def _serves(seen: Observation, host: str, component: Component) -> bool:
    health = seen.health(host, component.name)
    return health is not None and health.get("state") in ("ok", "degraded")


def _leads(seen: Observation, host: str, component: Component) -> bool:
    health = seen.health(host, component.name)
    return health is not None and bool(health.get("leader"))
