"""From what the hosts answered to what an operator wants to know: a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.observe.frameworks import cure, removed
from provisioner.observe.observation import STATES, HostObservation, Observation


@dataclass(frozen=True)
class Row:
    """One component on one host. `state` speaks of this host alone; what its peers lack stands in the problems."""

    component: str
    host: str
    state: str
    leader: bool
    version: str
    stand_in: bool
    detail: str

    def as_json(self) -> dict[str, Any]:
        """One element of `status --json`."""
        return {"component": self.component, "host": self.host, "state": self.state, "leader": self.leader, "version": self.version,
                "stand_in": self.stand_in, "detail": self.detail}


@dataclass(frozen=True)
class Status:
    """The whole cluster. `problems` are sentences; it is healthy only without any and with every row ok."""

    cluster: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...]

    @property
    def healthy(self) -> bool:
        """Nothing at all is wrong."""
        return not self.problems and all(row.state == "ok" for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """The object that `status --json` prints."""
        return {"cluster": self.cluster, "healthy": self.healthy, "components": [row.as_json() for row in self.rows],
                "problems": list(self.problems)}


def summarize(cluster: Cluster, seen: Observation) -> Status:
    """Rows in build order and problems of the cluster as a whole."""
    rows = _rows(cluster, seen)
    return Status(cluster.name, rows, (*_silent_hosts(seen), *_problems(_CHECKS, rows, cluster, seen)))


def strangers(cluster: Cluster, seen: Observation) -> list[str]:
    """Those of the problems that speak of agents and voters that the inventory does not have, or no longer."""
    return list(_problems((_strangers,), _rows(cluster, seen), cluster, seen))


def _rows(cluster: Cluster, seen: Observation) -> tuple[Row, ...]:
    return tuple(_row(c, h.name, seen) for c in COMPONENTS for h in cluster.members(c.name))


def _problems(checks: Sequence[Check], rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    for component in COMPONENTS:
        own = [r for r in rows if r.component == component.name]
        for check in checks:
            yield from check(component, own, cluster, seen)


def _row(component: Component, host: str, seen: Observation) -> Row:
    health = seen.health(host, component.name)
    if health is None:
        answer = seen.hosts.get(host, HostObservation(False, "was not asked"))
        why = (answer.error or "the probe did not report it") if answer.reachable else f"unreachable: {answer.error}"
        return Row(component.name, host, "down", False, "", False, why)
    itself = health["facts"].get("itself")
    return Row(component.name, host, itself if itself in STATES else health["state"], health["leader"],
               health["version"], health["stand_in"], health["detail"])


def _silent_hosts(seen: Observation) -> Iterator[str]:
    for name, host in seen.hosts.items():
        if not host.reachable:
            yield f"{name} is unreachable: {host.error}"
        elif host.error:
            yield f"{name}: {host.error}"


def _election(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Exactly one leader, and how many of its electors serve."""
    if component.election is None:
        return
    electors, majority = {h.name for h in cluster.members(component.election.group)}, component.election.majority
    members = [r for r in rows if r.host in electors]
    serving = [r for r in members if r.state != "down"]
    missing = ", ".join(r.host for r in members if r.state == "down")
    leaders = [r.host for r in members if r.leader and r.state != "down"]
    many = f"{len(serving)} of {counted(len(members), 'member serves', 'members serve')}"
    if members and len(serving) < (len(members) // 2 + 1 if majority else 1):
        yield (f"{component.title} has lost its quorum: " if majority else f"{component.title} is down: ") + (
            f"{many} ({missing} down)")
    elif missing:
        yield f"{component.title} is degraded: {many} ({missing} down)"
    in_vain = [r for r in members if r.leader and r.state == "down"]
    yield from (f"{component.title} on {r.host} {r.detail}" for r in in_vain)
    if serving and not (leaders or in_vain):
        yield f"{component.title} has no leader"
    if len(leaders) > 1:
        yield f"{component.title} has {len(leaders)} leaders: {', '.join(leaders)}"


def _peers(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Members that do their own work and miss a peer."""
    for row in rows:
        health = seen.health(row.host, component.name)
        if health and health["state"] != row.state:
            yield f"{component.title} on {row.host}: {row.detail}"


def _versions(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    versions = {r.version for r in rows if r.version}
    if component.versions.alike and len(versions) > 1:
        where = ", ".join(f"{v} on {' '.join(r.host for r in rows if r.version == v)}" for v in sorted(versions))
        yield f"{component.title} runs in different versions: {where}"


def _strangers(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Whom the component counts on and the inventory does not have, or no longer."""
    return _asked("strangers", component, rows, cluster, seen)


def _own(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """What only this component has."""
    return _asked("problems", component, rows, cluster, seen)


def _asked(question: str, component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """`components/<name>/status.py` may have either function: (rows, cluster, seen) → sentences."""
    function = getattr(component.part("status"), question, None)
    return function(rows, cluster, seen) if function else iter(())


def _frameworks(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    if component.name in removed(seen):
        yield f"{component.title}: Mesos has removed its framework, which only '{cure(component.name)}' cures"


Check = Callable[[Component, Sequence[Row], Cluster, Observation], Iterator[str]]
_CHECKS: tuple[Check, ...] = (_election, _frameworks, _peers, _versions, _strangers, _own)
