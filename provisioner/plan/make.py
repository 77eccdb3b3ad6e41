"""What `up` does, as a frozen list of steps: a pure function of the cluster and of what was seen on its hosts."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import host_list
from provisioner.components import COMPONENTS, QUORUMS
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.frameworks import removed
from provisioner.observe.observation import Observation
from provisioner.plan.alongside import side_by_side
from provisioner.plan.authentication import switched_on
from provisioner.plan.phases import passes
from provisioner.plan.quorum import growth
from provisioner.plan.reboots import reboots
from provisioner.plan.rolling import rolled
from provisioner.plan.rotation import together
from provisioner.plan.scope import BATCH
from provisioner.plan.steps import FILL, Plan, Step, leads, serves
from provisioner.plan.upgrade_order import drained_agents, migrated, order, with_agents_drained
from provisioner.plan.versions import Moves


def make_plan(cluster: Cluster, rendered: Mapping[str, Any], seen: Observation, *, only: Collection[str] = (), limit: Collection[str] = (),
              full: bool = False, batch: str = BATCH, moving: Moves | None = None,
              rotating: Mapping[str, str] | None = None) -> Plan:
    """The steps that bring every component up, on the hosts where it is not, or no longer, as it should be.

    In build order; where versions change (`moving`), in the order and manner of `upgrade_order`. `only` keeps the named components,
    `limit` the named hosts; hosts that did not answer are left out; with `full`, hosts where everything is as applied are done
    again; for `batch` see `rolled`. An ensemble that gets new members is changed by the rules in `ensemble`, a cluster that gets
    passwords by those in `authentication`, a component whose members can't take up a setting one by one by those in `phases`, a secret that
    is being replaced (`rotating`) by those in `rotation`. Raises UsageError and StepFailed when that can't be done.
    """
    usable = {name for name, host in seen.hosts.items() if host.reachable and (not limit or name in limit)}
    # Where Mesos has removed the framework, no role brings the component back: only what differs there is done.
    lost = removed(seen)
    reason = {c.name: seen.drift if c.name in lost else seen.why for c in COMPONENTS}
    todo = {c.name: [h.name for h in cluster.members(c.name) if h.name in usable and (full or reason[c.name](h.name, c.name))]
            for c in COMPONENTS if not only or c.name in only}
    partial = bool(only or limit)
    drained = drained_agents(todo, seen, moving or {})
    steps: list[Step] = []
    last: list[Step] = []
    for component in order(moving or {}):
        if component.name in todo:
            hosts = [name for name in todo[component.name] if name not in drained or not (component.ends_tasks or component.runs_tasks)]
            before, late = passes(component, cluster, seen, rendered, batch, partial=partial,
                                  moving=moving or {}) if hosts else ([], False)
            grown = growth(component, hosts, cluster, seen, rendered)
            if grown and limit:
                raise UsageError(f"{component.title} gets new members, which concerns all of them", hint="leave out --limit")
            if grown and before:
                raise StepFailed(f"nothing was changed: {component.title}: {before[0].why}, and gets new members in a run of its own",
                                 hint="take the new ones out of the inventory for this run")
            own = (grown or migrated(component, hosts, seen, moving or {})
                   or together(component, hosts, cluster, seen, rotating or {}, partial=partial)
                   or rolled(component, hosts, cluster, seen, batch))
            # Its role installs from what it serves.
            steps += [Step(component, tuple(hosts), verb=FILL)] if component.site and hosts else []
            # What is asked for in the end the others have to bring by then, too.
            steps += before if late else own
            last += own if late else []
            steps += reboots(component, hosts, cluster, seen, rendered)
        if component.runs_tasks:
            steps += with_agents_drained(drained, todo, cluster, seen, batch)
    steps += last
    steps = side_by_side(switched_on(steps, cluster, seen, rendered, partial=partial, moving=bool(moving)), seen)
    return Plan(cluster.name, tuple(_explained(steps, seen, moving or {})), voters(cluster))


def voters(cluster: Cluster) -> frozenset[str]:
    """The hosts whose votes make ZooKeeper's, Mesos' and Consul's quorums."""
    return frozenset(h.name for group in QUORUMS.values() for h in cluster.members(group))


def _explained(steps: list[Step], seen: Observation, moving: Moves) -> Iterator[Step]:
    for step in steps:
        if step.verb == "up" and not step.if_needed:
            reasons = {host: text for host in step.hosts if (text := seen.why(host, step.component.name))}
            yield dataclasses.replace(step, why=step.why or _why(step, reasons, seen, moving), reasons=reasons)
        else:
            yield step


def _why(step: Step, reasons: Mapping[str, str], seen: Observation, moving: Moves) -> str:
    """The reasons in short, each with its hosts; nothing where a component is simply new."""
    hosts_of: dict[str, list[str]] = {}
    for host in step.hosts:
        move = moving.get(step.component.name, {}).get(host)
        hosts_of.setdefault(str(move) if move else _short(reasons.get(host, "")), []).append(host)
    hosts_of.pop("", None)
    if len(hosts_of) == 1 and not any(serves(seen, host, step.component) or leads(seen, host, step.component)
                                     for host in step.hosts):
        return ""
    return "; ".join(f"{text} ({host_list(hosts)})" if len(step.hosts) > len(hosts) else text for text, hosts in hosts_of.items())


def _short(reasons: str) -> str:
    first, *others = reasons.split("; ")
    return f"{first} and {len(others)} more" if others else first
