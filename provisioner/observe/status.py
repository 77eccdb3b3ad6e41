"""From what the hosts answered to what an operator wants to know: a pure function."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.observe.frameworks import cure, removed
from provisioner.observe.observation import STATES, HostObservation, Observation

#: Of `status --json`: another number where a key goes or means something else, not where one is added.
SCHEMA = 1
UNFINISHED = "an upgrade did not finish: 'provision plan' shows what is left of it"


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
class Problem:
    """A sentence of what is wrong, and what it is about: a component by its name, or with '' hosts as such; `hosts` may be none.

    `state` is `down` where something does not work at all. `hint` says what to do next. Of hosts for which `cause` is the same one is
    enough to read.
    """

    text: str
    component: str = ""
    hosts: tuple[str, ...] = ()
    state: str = "degraded"
    hint: str = ""
    cause: str = ""


@dataclass(frozen=True)
class Status:
    """The whole cluster, or what was chosen of it. It is healthy only without anything wrong and with every row ok.

    `notes` are of the same form and say what is worth knowing although it is as it is meant to be.
    """

    cluster: str
    rows: tuple[Row, ...]
    wrong: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """The sentences of what is wrong."""
        return tuple(problem.text for problem in self.wrong)

    @property
    def healthy(self) -> bool:
        """Nothing at all is wrong."""
        return not self.wrong and all(row.state == "ok" for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """The object that `status --json` prints."""
        return {"schema": SCHEMA, "cluster": self.cluster, "healthy": self.healthy, "components": [row.as_json() for row in self.rows],
                "problems": list(self.problems)}

    def only(self, components: Collection[str], hosts: Collection[str]) -> Status:
        """What there is to say of these components and these hosts; none of either means all."""
        rows = tuple(r for r in self.rows if (not components or r.component in components) and (not hosts or r.host in hosts))
        names, places = {r.component for r in rows}, {r.host for r in rows}

        def chosen(problem: Problem) -> bool:
            about = problem.component in names if problem.component else not components or not places.isdisjoint(problem.hosts)
            return about and (not hosts or not problem.hosts or not places.isdisjoint(problem.hosts))

        return replace(self, rows=rows, wrong=tuple(filter(chosen, self.wrong)), notes=tuple(filter(chosen, self.notes)))


def summarize(cluster: Cluster, seen: Observation) -> Status:
    """Rows in build order and problems of the cluster as a whole."""
    rows = _rows(cluster, seen)
    return Status(cluster.name, rows, (*_silent_hosts(cluster, seen), *_problems(_CHECKS, rows, cluster, seen)),
                  tuple(_problems((_notes,), rows, cluster, seen)))


def strangers(cluster: Cluster, seen: Observation) -> list[str]:
    """Those of the problems that speak of agents and voters that the inventory does not have, or no longer."""
    return [problem.text for problem in _problems((_strangers,), _rows(cluster, seen), cluster, seen)]


def _rows(cluster: Cluster, seen: Observation) -> tuple[Row, ...]:
    return tuple(_row(c, h.name, seen) for c in COMPONENTS for h in cluster.members(c.name))


def _problems(checks: Sequence[Check], rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem]:
    for component in COMPONENTS:
        own = [r for r in rows if r.component == component.name]
        for check in checks:
            for found in check(component, own, cluster, seen):
                yield found if isinstance(found, Problem) else Problem(found, component.name)


def _row(component: Component, host: str, seen: Observation) -> Row:
    health = seen.health(host, component.name)
    if health is None:
        answer = seen.hosts.get(host, HostObservation(False, "was not asked"))
        why = (answer.error or "the probe did not report it") if answer.reachable else f"unreachable: {answer.error}"
        return Row(component.name, host, "down", False, "", False, why)
    itself = health["facts"].get("itself")
    return Row(component.name, host, itself if itself in STATES else health["state"], health["leader"],
               health["version"], health["stand_in"], health["detail"])


def _silent_hosts(cluster: Cluster, seen: Observation) -> Iterator[Problem]:
    for name, host in seen.hosts.items():
        if not host.reachable:
            # What is wrong with many hosts at once is said of each by its own name or address.
            own = "|".join(map(re.escape, (cluster.host(name).address, cluster.host(name).cluster_address, name)))
            cause = re.sub(rf"(?<![\w.-])(?:{own})(?![\w-])", "", host.error)
            yield Problem(f"{name} is unreachable: {host.error}", "", (name,), "down", host.hint, cause)
        elif host.error:
            yield Problem(f"{name}: {host.error}", "", (name,), hint=host.hint, cause=host.error)


def _election(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem]:
    """Exactly one leader, and how many of its electors serve."""
    if component.election is None:
        return
    name, title = component.name, component.title
    electors, majority = {h.name for h in cluster.members(component.election.group)}, component.election.majority
    members = [r for r in rows if r.host in electors]
    serving = [r for r in members if r.state != "down"]
    down = tuple(r.host for r in members if r.state == "down")
    missing = f"({', '.join(down)} down)"
    leaders = tuple(r.host for r in members if r.leader and r.state != "down")
    many = f"{len(serving)} of {counted(len(members), 'member serves', 'members serve')}"
    if members and len(serving) < (len(members) // 2 + 1 if majority else 1):
        what = "has lost its quorum" if majority else "is down"
        yield Problem(f"{title} {what}: {many} {missing}", name, down, "down")
    elif down:
        yield Problem(f"{title} is degraded: {many} {missing}", name, down)
    in_vain = [r for r in members if r.leader and r.state == "down"]
    yield from (Problem(f"{title} on {r.host} {r.detail}", name, (r.host,), "down") for r in in_vain)
    if serving and not (leaders or in_vain):
        yield Problem(f"{title} has no leader", name, state="down")
    if len(leaders) > 1:
        yield Problem(f"{title} has {len(leaders)} leaders: {', '.join(leaders)}", name, leaders)


def _peers(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem]:
    """Members that do their own work and miss a peer."""
    for row in rows:
        health = seen.health(row.host, component.name)
        if health and health["state"] != row.state:
            yield Problem(f"{component.title} on {row.host}: {row.detail}", component.name, (row.host,))


def _versions(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem]:
    versions = {r.version for r in rows if r.version}
    if component.versions.alike and len(versions) > 1:
        where = ", ".join(f"{v} on {' '.join(r.host for r in rows if r.version == v)}" for v in sorted(versions))
        yield Problem(f"{component.title} runs in different versions: {where}", component.name, hint=UNFINISHED)


def _strangers(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem | str]:
    """Whom the component counts on and the inventory does not have, or no longer."""
    return _asked("strangers", component, rows, cluster, seen)


def _own(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem | str]:
    """What only this component has."""
    return _asked("problems", component, rows, cluster, seen)


def _notes(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem | str]:
    """What only this component has, and is as it is meant to be."""
    return _asked("notes", component, rows, cluster, seen)


def _asked(question: str, component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem | str]:
    """`components/<name>/status.py` may have any of these functions: (rows, cluster, seen) → sentences or problems."""
    function = getattr(component.part("status"), question, None)
    return function(rows, cluster, seen) if function else iter(())


def _frameworks(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    if component.name in removed(seen):
        yield f"{component.title}: Mesos has removed its framework, which only '{cure(component.name)}' cures"


Check = Callable[[Component, Sequence[Row], Cluster, Observation], Iterator[Problem | str]]
_CHECKS: tuple[Check, ...] = (_election, _frameworks, _peers, _versions, _strangers, _own)
