"""Passwords for a living cluster that was built without: who is told in which order. Pure functions.

The order is the only one in which nobody is shut out (recorded from Mesos 1.11): masters that know the credentials and require
none; then the agents, because a master that knows no credentials refuses an agent that brings one; then the frameworks; then
the masters again, which require them from now on. A framework that subscribed without a principal ends there, and its
tasks are orphans. ZooKeeper's nodes keep the rules they were made with, so those that are there get theirs by a step of its own,
when everybody who writes to them brings a password.

Marathon's members change together. One with a password makes its node of the election readable for itself only
(RichCuratorFramework of 1.11), and one without that can't read every node knows no leader: a leader ends itself then (status 103), and a
follower that stands next in line can't lead and lets no other. So all but the leader stop; the first that comes back with a
password takes over from the leader, which ends itself and is changed next. Chronos makes the nodes of its election for all to
read and write, and what it stores for all to read (ZookeeperModule of 3.0.2; Mesos' ZooKeeperState), so its members change one
after the other, the leader last.

A run that was cut off is completed by the next one: members that have their password already are left alone; beside one that serves with a
password those without can neither lead nor harm, and are simply changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import no_answer
from provisioner.components import component
from provisioner.errors import StepFailed, UsageError
from provisioner.inventory.render import host_variables
from provisioner.observe.observation import Observation
from provisioner.plan.steps import Step, serves
from provisioner.plan.upgrade_order import one_electable

#: The variable of the inventory.
SETTING = "cluster_authentication"
#: The verb of the step that gives ZooKeeper's nodes their rules.
PROTECT = "protect"


def wanted(cluster: Cluster) -> bool:
    """Does the inventory want everybody to bring a password?"""
    return bool(cluster.variables.get(SETTING, True))


def switched_on(steps: Sequence[Step], cluster: Cluster, seen: Observation, rendered: Mapping[str, Any], *, partial: bool,
                moving: bool) -> list[Step]:
    """The same steps in the order in which authentication is switched on, where masters serve that do not require it yet.

    `partial`: not all components or hosts are asked for; `moving`: a version changes. Raises UsageError and StepFailed when
    the switch can't be made in this run: it is made by itself, on hosts that all answer.
    """
    serving = _masters(seen)
    _refuse_to_switch_off(cluster, serving)
    masters = component("mesos_master")
    last = [step for step in steps if step.component == masters]
    if not wanted(cluster) or all(facts.get("authenticates", True) for facts in serving.values()):
        return list(steps)
    if partial and any(step.component.role in ("mesos", "marathon", "chronos") for step in steps):
        raise UsageError(f"{SETTING} concerns every master, agent and framework", hint="leave out --only and --limit")
    if not last:
        return list(steps)
    if moving or len(last) > 1:
        raise StepFailed(f"nothing was changed: {SETTING} is switched on in a run of its own",
                         hint="put the old versions and masters back into the inventory for this run")
    if any(host_variables(rendered, host).get("mesos_closed") for host in last[0].hosts):
        raise StepFailed(f"nothing was changed: a cluster whose masters require no credentials yet gets them before it is closed "
                         f"({SETTING})", hint="'provision up' with 'cluster_access: open' first, then with 'closed'")
    silent = sorted(name for name, host in seen.hosts.items() if not host.reachable)
    if silent:
        raise StepFailed(f"nothing was changed: {no_answer(silent)}, so the passwords can't be brought there and they would "
                         "be shut out", hint="bring them back, or take them out with 'provision remove'")
    ignorant = tuple(name for name in last[0].hosts if not serving.get(name, {}).get("knows_credentials"))
    first = [replace(last[0], hosts=ignorant, why="know the credentials and require none yet", variables={"mesos_authentication": "known"})]
    place = list(steps).index(last[0])
    others = _marathon_together([step for step in steps[place + 1:] if step.component != masters], cluster, seen)
    keeper = next(h.name for h in cluster.members("zookeeper"))
    protect = Step(component("zookeeper"), (keeper,), verb=PROTECT, why="nodes created without a password get their owner")
    return [*steps[:place], *(first if ignorant else []), *others, protect, replace(last[0], why="require credentials from now on")]


def closing(steps: Sequence[Step], rendered: Mapping[str, Any], seen: Observation) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """What each framework may from then on, by its principal, where these steps close a Mesos that serves; nothing where they do not."""
    serving = _masters(seen)
    for host in (name for step in steps if step.component.name == "mesos_master" and step.verb == "up" for name in step.hosts):
        told = host_variables(rendered, host)
        if told.get("mesos_closed") and not serving.get(host, {}).get("closed", True):
            rights: Mapping[str, Mapping[str, Sequence[str]]] = told["mesos_rights"]
            return rights
    return {}


def _marathon_together(steps: Sequence[Step], cluster: Cluster, seen: Observation) -> list[Step]:
    """The same steps, with Marathon's in the order in which no member with a password serves beside one without."""
    marathon = component("marathon")
    todo = [host for step in steps if step.component == marathon for host in step.hosts]
    changed = any(serves(seen, h.name, marathon) for h in cluster.members("marathon") if h.name not in todo)
    why = "members with and without a ZooKeeper password can't form one group"
    together = [] if changed else one_electable(marathon, todo, seen, why)
    if not together:
        return list(steps)
    first = next(place for place, step in enumerate(steps) if step.component == marathon)
    rest = [step for step in steps[first:] if step.component != marathon]
    return [*steps[:first], *together, *rest]


def _masters(seen: Observation) -> dict[str, Mapping[str, Any]]:
    """What each master that answers says of itself."""
    answers = {host: seen.health(host, "mesos_master") or {} for host in seen.hosts}
    return {host: answer["facts"] for host, answer in answers.items() if answer.get("facts")}


def _refuse_to_switch_off(cluster: Cluster, serving: Mapping[str, Mapping[str, Any]]) -> None:
    strict = sorted(host for host, facts in serving.items() if facts.get("authenticates"))
    if strict and not wanted(cluster):
        raise StepFailed(f"nothing was changed: {', '.join(strict)} require credentials, which can't be switched off in a living cluster",
                         where=str(cluster.path), hint=f"take {SETTING} out of the inventory; or 'provision reset' and rebuild it")
