"""Waiting for Marathon and Chronos: for leaders whose lists can be believed, and for members that a change below them has ended."""

from __future__ import annotations

from collections.abc import Collection

from provisioner.components import SCHEDULERS, component
from provisioner.context import Context
from provisioner.errors import StepFailed
from provisioner.observe.frameworks import leader, refuse_removed, removed, settled
from provisioner.observe.observation import Observation, observe
from provisioner.observe.wait import wait_for_calm
from provisioner.plan.steps import Plan


def await_settled(context: Context, names: Collection[str]) -> dict[str, tuple[str, object]]:
    """Of each of these components the leader's host, and when Mesos took it in, when it has had time to load what it keeps.

    The time (seconds since the epoch by the master's clock) tells a leader from the same member that was elected again.

    Waits for at most a minute. Raises StepFailed that says which has none, and what the member that should lead says of itself; at once
    where Mesos has removed a framework, which no waiting cures.
    """
    # No other host has a word in it: one of them that is silent would cost its time-out at each look.
    hosts = [host.name for host in context.cluster.hosts if host.groups & {*names}]

    def look() -> Observation:
        seen = observe(context.cluster, context.rendered, context.transport, sections=("health",), hosts=hosts, components=names)
        refuse_removed(seen)
        return seen

    def refuse(seen: Observation) -> None:
        for name in names:
            if not settled(seen, name):
                raise StepFailed(f"nothing was done: {component(name).title} has no leader that Mesos has known for some seconds, "
                                 f"so its lists may be incomplete: {_said(context, name, seen)}",
                                 hint="'provision status' says what is wrong")

    seen = wait_for_calm(look, refuse) if names else Observation({})
    return {name: _leadership(seen, name) for name in names}


def _leadership(seen: Observation, name: str) -> tuple[str, object]:
    host = leader(seen, name)
    return host, (seen.health(host, name) or {})["facts"].get("registered")


def await_back(context: Context, before: Observation, plan: Plan) -> None:
    """Wait until every Marathon and Chronos that was well before a run is so after it, and those that its plan touched have a leader.

    When its ZooKeeper or Mesos' leader goes, Marathon's leader ends itself and comes back as a follower some ten seconds later. The check
    of a member that was brought up says only that it follows: the one it follows may have been elected after its own check, and lead
    without a driver. Waits for at most a minute. Raises StepFailed when one is not back or none leads, or when Mesos has removed its
    framework.
    """
    touched = sorted({step.component.name for step in plan.steps} & {*SCHEDULERS})
    well = {(name, host) for name in SCHEDULERS for host, said in before.hosts.items()
            if (said.health.get(name) or {}).get("state") == "ok"}
    names = {name for name, _ in well} | {*removed(before), *touched}
    if not names:
        return
    hosts = [host.name for host in context.cluster.hosts if host.groups & names and before.hosts[host.name].reachable]

    def refuse(seen: Observation) -> None:
        lost = sorted((name, host) for name, host in well if seen.hosts[host].reachable and _state(seen, host, name) != "ok")
        if lost and not removed(seen):
            name, host = lost[0]
            raise StepFailed(f"{component(name).title} on {host} was healthy before this run and is not now: {_detail(seen, host, name)}",
                             hint="'provision status' says what is wrong; 'provision up' again fixes most of it")
        for name in touched:
            if not (leader(seen, name) or removed(seen)):
                raise StepFailed(f"{component(name).title} has no leader that Mesos knows: {_said(context, name, seen)}",
                                 hint="'provision up' again: it restarts a leader without a driver")

    refuse_removed(wait_for_calm(lambda: observe(context.cluster, context.rendered, context.transport, sections=("health",),
                                                  hosts=hosts, components=names), refuse))


def _state(seen: Observation, host: str, name: str) -> str:
    return str((seen.health(host, name) or {}).get("state"))


def _detail(seen: Observation, host: str, name: str) -> str:
    return str((seen.health(host, name) or {}).get("detail") or "it does not answer")


def _said(context: Context, name: str, seen: Observation) -> str:
    health = {host.name: seen.health(host.name, name) or {} for host in context.cluster.members(name)}
    host = next((h for h, said in health.items() if said.get("leader")), next(iter(health)))
    return f"{host} {health[host].get('detail') or 'does not answer'}"
