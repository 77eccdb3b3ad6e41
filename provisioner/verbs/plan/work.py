"""`provision plan`: what `up` would do and why, from one look at the hosts; changes nothing on them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from provisioner.cluster.names import host_list, no_answer
from provisioner.components import component
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.mirror.moved import moved
from provisioner.observe.frameworks import cure, removed
from provisioner.observe.status import strangers
from provisioner.observe.workload import Workload
from provisioner.plan.assess import Assessment
from provisioner.plan.quorum import margins
from provisioner.plan.saved import save
from provisioner.run.ansible import step_variables
from provisioner.run.execute import open_playbooks
from provisioner.run.outcome import Event
from provisioner.run.prepare import TO_KEEP, TO_SHOW, prepared
from provisioner.state import followed, secrets
from provisioner.state.files import refuse_unwritable
from provisioner.verbs.plan import Options

#: What `--detailed-exitcode` says when there is something to do.
CHANGES = 2


def run_plan(context: Context, console: Console, options: Options) -> int:
    """Print the plan; gives the exit code. Raises as `prepared` does, and StepFailed when a role refuses in a preview."""
    if options.out:
        refuse_unwritable(Path(options.out))
    with prepared(context, console, options, TO_KEEP if options.out else TO_SHOW) as ready:
        found, context = ready.assessment, ready.context
    silent = sorted(found.unreachable)
    if silent:
        console.warn(f"{no_answer(silent)}: left out of this plan")
    changes = _preview(context, console, found) if options.diff and found.plan.steps else []
    if options.out:
        save(Path(options.out), found, options)
    tasks = _moved(context, found)
    unknown = strangers(context.cluster, found.observation)
    for text in unknown:
        console.warn(text)
    lost = removed(found.observation)
    for name in lost:
        console.warn(f"{component(name).title}: Mesos has removed its framework; 'up' can't repair that: '{cure(name)}'")
    quorums = margins(context.cluster, found.observation) if found.plan.steps else []
    locked = _lock_moved(context)
    if locked and not options.json:
        console.write("\n".join(locked) + "\n\n")
    if options.json:
        console.json({"cluster": context.cluster.name, **({"lock": locked} if locked else {}),
                      "steps": [step.as_json() for step in found.plan.steps],
                      "unreachable": sorted(found.unreachable), "tasks": tasks, "strangers": unknown,
                      "repairs": [cure(name) for name in lost],
                      "quorums": [each.as_json() for each in quorums], **({"changes": changes} if options.diff else {})})
    elif not found.plan.steps:
        console.write("nothing that 'up' can do\n" if lost else "nothing to do\n")
    else:
        for number, step in enumerate(found.plan.steps, 1):
            console.write(f"{number:3d}. {step.describe()}\n")
        for host, names in tasks.items():
            console.write(f"\ntasks to move away from {host}: {', '.join(names) or 'none'}\n")
        if quorums:
            console.write("\nquorums (each step takes one member away at a time):\n" + "".join(f"  {each}\n" for each in quorums))
        for change in changes:
            console.write(f"\n{change['host']}: {change['task']}\n{change['diff']}")
    return CHANGES if options.detailed_exitcode and (found.plan.steps or lost) else 0


def _moved(context: Context, found: Assessment) -> dict[str, list[str]]:
    """By agent that is drained on the way: the names of the tasks that run there now."""
    hosts = [host for step in found.plan.steps if step.verb == "drain" for host in step.hosts]
    return Workload(context.cluster, context.rendered, RemoteCalls(context.transport)).tasks(*hosts) if hosts else {}


def _lock_moved(context: Context) -> list[str]:
    """What the lock has moved since the last whole `up`, in lines."""
    before, now = followed.read(context.cluster), context.lock
    if not before:
        return ["provision.lock is followed for the first time"] if now else []
    if not now:
        return ["provision.lock is gone: versions are those of the catalogue again"]
    lines = moved(before, now)
    return ["provision.lock has moved since the last 'up':", *(f"  {line}" for line in lines)] if lines else []


def _preview(context: Context, console: Console, found: Assessment) -> list[dict[str, str]]:
    """Every change that the roles report when they only pretend, with what changes in a file."""
    secrets.ensure(context.cluster, authority=False)
    changes: list[dict[str, str]] = []

    def note(event: Event) -> None:
        if event.get("event") == "result" and event["status"] == "changed":
            changes.append({"host": str(event["host"]), "task": str(event["task"]), "diff": str(event["diff"])})

    with tempfile.TemporaryDirectory(prefix="provision-") as folder, open_playbooks(context, Path(folder), found.facts) as playbooks:
        for step in found.plan.steps:
            if step.verb != "up" or step.if_needed:  # what a reboot would bring about no preview tells
                continue
            console.say(f"previewing {step.component.title} on {host_list(step.hosts)} …")
            outcome = playbooks.play("up", step_variables(step, step.hosts), note, check=True)
            if outcome.failures:
                first = outcome.failures[0]
                raise StepFailed(f"{step.component.title}: {first['task']}\n{first['message']}", where=str(first["host"]),
                                 hint="'provision up' would stop there too")
    return changes
