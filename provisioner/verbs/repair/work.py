"""`provision repair`: another framework for Marathon or Chronos, when Mesos has removed the one whose id it has stored."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import counted, no_answer
from provisioner.components import SCHEDULERS, component
from provisioner.components.model import Component
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.hosts.http_api import from_host
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.hosts.zookeeper import KazooTree, open_tree
from provisioner.inventory.render import host_variables
from provisioner.observe.frameworks import leader, removed
from provisioner.observe.observation import Observation, observe
from provisioner.plan.make import voters
from provisioner.plan.steps import Plan, Step, serves
from provisioner.probe.health.mesos import frameworks
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.framework_store import Kept, Nodes, Store, forget, kept, lost_with, store_of
from provisioner.run.outcome import Event, Outcome
from provisioner.run.prepare import locked
from provisioner.state import secrets
from provisioner.verbs.repair import Options
from provisioner.verbs.shared.confirm import confirm_by_name

#: The verb of the step that deletes the stored id.
FORGET = "forget"


def run_repair(context: Context, console: Console, options: Options) -> Result:
    """Stop all members, delete the stored id, start them, and wait until Mesos knows the new framework.

    `options`: component, yes (the cluster's name). Killed anywhere, the same command goes on. Raises UsageError when there is nothing to
    repair or the name was not typed, StepFailed when Mesos has not removed the framework or the new one does not come, UnreachableError.
    """
    cluster, scheduler = context.cluster, _scheduler(context, options.component)
    variables = _variables(context, cluster.members(scheduler.name)[0])
    store = store_of(scheduler.name, variables)
    with locked(context, console, f"repair {scheduler.title}") as held:
        seen = _look(context, scheduler)
        mesos = _mesos(context)
        with _tree(context, seen) as tree:
            found = kept(tree, store)
            name = variables[scheduler.probe_variable]["framework"]
            old = refuse(scheduler, name, seen, found, mesos)
            console.say(f"removed by Mesos: {old or 'a framework it no longer remembers'}; stored: "
                        f"{'its id' if found.identity else 'no id'}, {counted(len(found.instances), 'node')} about instances")
            console.say(f"Mesos has already ended all tasks of the old framework. {lost_with(scheduler.name)}")
            plan = Plan(cluster.name, _steps(cluster, scheduler), voters(cluster))
            console.plan(plan)
            confirm_by_name(options.yes, cluster.name, f"{scheduler.title} gets a new framework id.")
            # The question may have stood for an hour, in which a member can have registered.
            refuse(scheduler, name, _look(context, scheduler), kept(tree, store), _mesos(context))
            result = execute(context, console, plan, held, facts=seen.facts(), also={FORGET: functools.partial(_forget, tree, store)})
        _tell(context, console, scheduler)
    console.say(summary(result))
    return result


def _steps(cluster: Cluster, scheduler: Component) -> tuple[Step, ...]:
    """All members stop before the id goes, as one that goes on would bring it back."""
    hosts = tuple(host.name for host in cluster.members(scheduler.name))
    keeper = cluster.members("zookeeper")[0].name
    return (Step(scheduler, hosts, verb="stop", all_or_none=True),
            Step(scheduler, (keeper,), verb=FORGET, why="the framework id, which Mesos has removed, and what goes with it"),
            Step(scheduler, hosts, verb="restart", all_or_none=True))


def _forget(tree: Nodes, store: Store, step: Step, hosts: Sequence[str], on_event: Callable[[Event], None]) -> Outcome:
    """See outcome.Executor."""
    found = kept(tree, store)
    forget(tree, found)
    gone = len(found.instances) + bool(found.identity)
    return Outcome(changed=gone, tasks=1,
                   changed_tasks=[f"{hosts[0]}: {counted(gone, 'node')} of the old framework deleted"] if gone else [])


def refuse(scheduler: Component, name: str, seen: Observation, found: Kept, mesos: Sequence[dict[str, Any]]) -> str:
    """The framework id that Mesos has removed; '' where it has forgotten it since. Without a stored id it is looked for by its `name`.

    Raises UsageError when all is well, StepFailed when something else is the matter.
    """
    host = leader(seen, scheduler.name)
    if host:
        raise UsageError(f"nothing to repair: Mesos lists {scheduler.title}'s framework as active and connected from {host}")
    own = [row for row in mesos if (found.is_of(row["id"]) if found.identity else row["name"] == name)]
    for row in own:
        if not row["removed"]:
            raise StepFailed(f"nothing was changed: Mesos still has {scheduler.title}'s framework {row['id']}, so its tasks are not lost",
                             hint="'provision up' restarts the leader, which reconnects it")
    if (found.identity or found.instances) and not own and scheduler.name not in removed(seen):
        raise StepFailed(f"nothing was changed: neither Mesos nor {scheduler.title} reports that the framework was removed",
                         hint="run 'provision up' first: a member that Mesos refuses will report it")
    return str(own[0]["id"]) if own else ""


def _scheduler(context: Context, name: str) -> Component:
    if name not in SCHEDULERS:
        raise UsageError(f"{name!r} has no framework to repair", hint=f"one of {', '.join(SCHEDULERS)}")
    if not context.cluster.members(name):
        raise UsageError(f"no host is in the group {name}", where=str(context.path))
    return component(name)


def _look(context: Context, scheduler: Component) -> Observation:
    """What its members and ZooKeeper say; all members must answer, as one that goes on would bring the old id back."""
    seen = observe(context.cluster, context.rendered, context.transport, components=(scheduler.name, "zookeeper"))
    silent = [host.name for host in context.cluster.members(scheduler.name) if not seen.hosts[host.name].reachable]
    if silent:
        raise UnreachableError(f"nothing was changed: {no_answer(silent)}, and {scheduler.title} has to stop there as well",
                               where=silent[0], hint="bring it back, or take it out of the cluster first: 'provision remove --lost'")
    return seen


def _mesos(context: Context) -> list[dict[str, Any]]:
    """The frameworks that the leading Mesos master lists, as `probe/health/mesos.frameworks` gives them."""
    calls, said = RemoteCalls(context.transport), []
    for host in context.cluster.members("mesos_master"):
        server = f"{host.cluster_address}:{_variables(context, host)['mesos_master_port']}"
        reply = from_host(calls, host, "POST", server, "/api/v1", {"type": "GET_FRAMEWORKS"}, credentials="mesos")
        if reply.status == 200 and isinstance(reply.json(), dict):
            return frameworks(reply.json())
        said.append(f"{host.name} answers {reply}")
    raise StepFailed(f"nothing was changed: no Mesos master leads: {'; '.join(said)}", hint="see 'provision status'")


def _tree(context: Context, seen: Observation) -> AbstractContextManager[KazooTree]:
    working = [h for h in context.cluster.members("zookeeper") if serves(seen, h.name, component("zookeeper"))]
    if not working:
        raise StepFailed("nothing was changed: ZooKeeper is down on all of its hosts", hint="'provision up' first")
    passwords = secrets.counting(secrets.load(context.cluster), "vault_zookeeper_super_password")
    return open_tree(context.cluster, working[0], int(_variables(context, working[0])["zookeeper_client_port"]), passwords)


def _variables(context: Context, host: Host) -> dict[str, Any]:
    return {**context.defaults, **host_variables(context.rendered, host.name)}


def _tell(context: Context, console: Console, scheduler: Component) -> None:
    """Say which framework it is now. The members' checks have waited for it."""
    seen = observe(context.cluster, context.rendered, context.transport, components=(scheduler.name,), sections=("health",))
    host = leader(seen, scheduler.name)
    if not host:
        raise StepFailed(f"{scheduler.title} has not registered with Mesos", hint="see 'provision status'")
    identity = (seen.health(host, scheduler.name) or {})["facts"].get("framework_id")
    console.say(f"{scheduler.title} leads on {host} with the new framework {identity}")
