"""From what the hosts answered to what an operator wants to know: a pure function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from provisioner.cluster.model import Cluster
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
        return {"cluster": self.cluster, "healthy": self.healthy, "components": [asdict(r) for r in self.rows],
                "problems": list(self.problems)}


def summarize(cluster: Cluster, seen: Observation) -> Status:
    """Rows in build order and problems of the cluster as a whole."""
    rows = _rows(cluster, seen)
    return Status(cluster.name, rows, (*_silent_hosts(seen), *_problems(_CHECKS, rows, cluster, seen)))


def strangers(cluster: Cluster, seen: Observation) -> list[str]:
    """Those of the problems that speak of agents and voters that the inventory does not have, or no longer."""
    return list(_problems((_agents, _voters), _rows(cluster, seen), cluster, seen))


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
        why = (answer.error or "the probe said nothing of it") if answer.reachable else f"unreachable: {answer.error}"
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
    if members and len(serving) < (len(members) // 2 + 1 if majority else 1):
        yield (f"{component.title} has lost its quorum: " if majority else f"{component.title} is down: ") + (
            f"{len(serving)} of {len(members)} members serve ({missing} down)")
    elif missing:
        yield f"{component.title} is degraded: {len(serving)} of {len(members)} members serve ({missing} down)"
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


def _agents(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Agents that the leading master knows and the inventory does not."""
    if component.name != "mesos_master":
        return
    known = {name for h in cluster.members("mesos_agent") for name in (h.name, h.address, h.cluster_address)}
    for row in rows:
        if row.leader:
            listed = (seen.health(row.host, component.name) or {}).get("facts", {}).get("agents_listed")
            names = [str(a.get("hostname")) for a in listed if isinstance(a, dict)] if isinstance(listed, list) else []
            for name in sorted(set(names) - known):
                yield f"{name} is registered as a Mesos agent, but is not one in the inventory"


def _voters(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Members that an ensemble counts on and the inventory does not have, or no longer."""
    facts = [(seen.health(r.host, component.name) or {}).get("facts", {}) for r in rows]
    if component.name == "zookeeper":
        members = len(cluster.members("zookeeper"))
        counted = max((len(f["servers"]) for f in facts if isinstance(f.get("servers"), list)), default=0)
        if counted > members:
            yield f"ZooKeeper counts on {counted} members, but the inventory has {members}"
    elif component.name == "consul":
        peers = {str(name) for f in facts for name in (f.get("raft_peers") or [])}
        for name in sorted(peers - {h.name for h in cluster.members("consul_server")}):
            yield f"{name} votes in Consul, but is no consul_server in the inventory"


def _swarm(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    if component.name != "docker":
        return
    facts = {r.host: (seen.health(r.host, "docker") or {}).get("facts", {}) for r in rows}
    managers = [h for h, f in facts.items() if f.get("manager")]
    swarms = {str(facts[h].get("cluster_id")) for h in managers}
    if len(swarms) > 1:
        yield f"{', '.join(managers)} are managers of {len(swarms)} different swarms"
    elif managers and not any(facts[h].get("swarm_leader") for h in managers):
        yield f"the swarm of {', '.join(managers)} has no leader"


def _frameworks(component: Component, rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    if component.name in removed(seen):
        yield f"{component.title}: Mesos has removed its framework, which only '{cure(component.name)}' cures"


Check = Callable[[Component, Sequence[Row], Cluster, Observation], Iterator[str]]
_CHECKS: tuple[Check, ...] = (_election, _frameworks, _peers, _versions, _agents, _voters, _swarm)
