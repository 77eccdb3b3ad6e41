"""`provision drain` and `provision undrain`: take an agent out of service without losing work, and let it take work again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from provisioner.cluster.names import counted
from provisioner.components import AGENT
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.observe.observation import observe
from provisioner.observe.workload import App, Workload
from provisioner.plan.steps import Plan, Step
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.lock import Lock
from provisioner.run.prepare import locked
from provisioner.run.settled import await_settled
from provisioner.verbs import drain, undrain


def run_drain(context: Context, console: Console, options: drain.Options) -> Result:
    """Move everything off an agent; on any failure and on Ctrl-C it takes work again, unless it was drained before.

    `options`: host, force (also when the other agents lack resources). Apps of which all instances run there get one more
    elsewhere first, so that they are never gone. Raises StepFailed, UnreachableError, UsageError.
    """
    host = _agent(context, options.host)
    with locked(context, console, f"drain {host}") as held:
        console.say(f"checking what runs on {host} …")
        # An app that Marathon does not list yet would not be kept alive.
        await_settled(context, ["marathon"] if context.cluster.members("marathon") else [])
        work = Workload(context.cluster, context.rendered, RemoteCalls(context.transport))
        tasks, apps = work.tasks(host)[host], work.apps(host)
        console.say(f"{counted(len(tasks), 'task')}: {', '.join(tasks)}" if tasks else "no tasks")
        if tasks and len(context.cluster.members(AGENT.name)) == 1:
            raise StepFailed("nothing was changed: it is the only agent, so its tasks have nowhere to go", where=host,
                             hint="add an agent, or end the tasks first (an app: scale it to 0 in Marathon)")
        lacking = work.missing(host)
        if lacking and not options.force:
            text = ", ".join(f"{amount:g} {name}" for name, amount in lacking.items())
            raise StepFailed(f"nothing was changed: the other agents lack {text} for the tasks that run here", where=host,
                             hint="add an agent, or pass --force: some tasks will then stay pending")
        before = host in context.ledger.drained
        drained = _remember(context, drained=True, host=host)
        try:
            work.deactivate(host)  # before anything is started: else it could be started here
            with doubled(work, [a for a in apps if set(a.hosts) == {host}], host, console):
                result = _play(drained, console, held, Step(AGENT, (host,), verb="drain"))
                work.await_elsewhere([a.name for a in apps], host)
        except BaseException:
            if before:
                raise
            console.say(f"not drained: {host} accepts tasks again …")
            _play(_remember(context, drained=False, host=host), console, held, Step(AGENT, (host,)))
            raise
    console.say(summary(result))
    console.say(f"{host} is drained; 'provision undrain {host}' lets it accept tasks again")
    return result


def run_undrain(context: Context, console: Console, options: undrain.Options) -> Result:
    """Let a drained agent take work again. Raises StepFailed, UnreachableError, UsageError."""
    host = _agent(context, options.host)
    with locked(context, console, f"undrain {host}") as held:
        result = _play(_remember(context, drained=False, host=host), console, held, Step(AGENT, (host,)))
    console.say(summary(result))
    return result


@contextmanager
def doubled(work: Workload, apps: Sequence[App], host: str, console: Console) -> Iterator[None]:
    """While it lasts, apps that run nowhere else have one instance more, on another agent."""
    try:
        for app in apps:
            console.say(f"{app.name} runs only here: starting one more instance elsewhere first …")
            work.scale(app.name, app.instances + 1)
        if apps:
            work.await_elsewhere([a.name for a in apps], host, at_least=1)
        yield
    finally:
        for app in apps:
            # An instance that found no place leaves a deployment that locks its app.
            work.scale(app.name, app.instances, force=True)


def _agent(context: Context, name: str) -> str:
    names = [h.name for h in context.cluster.members(AGENT.name)]
    if name not in names:
        raise UsageError(f"{name!r} is not an agent", where=str(context.path), hint=f"agents: {', '.join(names)}")
    return name


def _remember(context: Context, *, drained: bool, host: str) -> Context:
    """Keep what the operator wants, so that the next `up` does not undo it; gives the context in which it holds."""
    now = context.ledger.drained | {host} if drained else context.ledger.drained - {host}
    return context.keep(replace(context.ledger, drained=now))


def _play(context: Context, console: Console, held: Lock, step: Step) -> Result:
    seen = observe(context.cluster, context.rendered, context.transport, hosts=step.hosts, sections=("facts",))
    for name, host in seen.hosts.items():
        if not host.reachable:
            raise UnreachableError(host.error, where=name)
    return execute(context, console, Plan(context.cluster.name, (step,)), held, facts=seen.facts())
