"""`provision up`: look, plan, do. Everything that must be right before the first change happens before the first change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.inventory.render import host_variables
from provisioner.observe.frameworks import refuse_removed
from provisioner.plan.assess import Assessment
from provisioner.plan.scope import Scope
from provisioner.run.engine import Result, RunFailed
from provisioner.run.prepare import prepared
from provisioner.state import followed, ledger, secrets
from provisioner.verbs.shared.confirm import confirm
from provisioner.verbs.up import Options

if TYPE_CHECKING:
    from provisioner.run.lock import Lock


def run_up(context: Context, console: Console, options: Options) -> Result:
    """Do it, or exactly what the file of --plan says; returns the counts. Raises the error of the first thing that stops it."""
    approved = None
    scope: Scope = options
    if options.plan:
        from provisioner.plan.saved import recall

        approved = recall(Path(options.plan), scope)
        scope = approved.scope
    with prepared(context, console, scope, doing="looking at the hosts", approved=approved) as ready:
        context = ready.context
        if ready.over:
            result = conclude(context, console, ready.assessment)
        else:
            result = carry_out(context, console, ready.assessment, ready.held, yes=options.yes, json=options.json)
            if secrets.stages(context.cluster):
                from provisioner.verbs.shared.rotating import go_on

                more = go_on(context, console, ready.held, result, scope)
                result = replace(result, changed=result.changed + more.changed, seconds=result.seconds + more.seconds) if more else result
        if (context.switched or context.ledger.switching) and not (scope.only or scope.limit or result.unreachable):
            _note_switched(context)
        if not (scope.only or scope.limit or result.unreachable):
            followed.keep(context.cluster, context.lock)
        return result


def _note_switched(context: Context) -> None:
    """The whole cluster is as closed or open as its inventory says."""
    known = ledger.load(context.cluster)
    if known.switching:
        ledger.save(context.cluster, replace(known, switching=False))


def carry_out(context: Context, console: Console, found: Assessment, held: Lock, *, yes: bool, json: bool = False) -> Result:
    """The part of `up` under a lock that is held: do what was found to be done, and prove that it holds. Raises as `run_up`."""
    if not found.plan.steps:
        return conclude(context, console, found)
    # Not before: a rerun with nothing to do would spend more time on these than on anything else.
    from provisioner.run.execute import execute
    from provisioner.run.settled import await_back

    console.plan(found.plan)
    confirm(f"Bring up {context.cluster.name} on {counted(len(found.observation.hosts), 'host')}?", yes=yes)
    try:
        result = execute(context, console, found.plan, held, facts=found.facts, unreachable=found.unreachable, questions=found.questions)
    except RunFailed as error:
        if json:
            console.json(error.result.as_json())
        raise
    await_back(context, found.observation, found.plan)
    console.say(summary(result))
    if not json:
        _endpoints(context, console)
    return result


def conclude(context: Context, console: Console, found: Assessment) -> Result:
    """The end of an `up` that has nothing to do. Raises StepFailed when what is wrong `up` can't cure."""
    refuse_removed(found.observation)
    result = Result(context.cluster.name, unreachable=found.unreachable)
    console.say(summary(result))
    return result


def _endpoints(context: Context, console: Console) -> None:
    rows, closed = [], context.ledger.access == "closed"
    for component in COMPONENTS:
        if component.endpoint:
            for host in context.cluster.members(component.name):
                values = {**context.defaults, **host_variables(context.rendered, host.name), "address": host.cluster_address}
                where = component.closed_endpoint if closed and component.closed_endpoint else component.endpoint
                rows.append([component.title, host.name, where.format(**values)])
    console.table("endpoints", ("component", "host", "address"), rows)
    if closed:
        console.say("they ask for a password: 'provision credentials --show' prints who may what with which")
