"""`provision up`: look, plan, do. Everything that must be right before the first change happens before the first change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.components import COMPONENTS
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.inventory.render import host_variables
from provisioner.observe.frameworks import refuse_removed
from provisioner.plan.glance import Look, glance
from provisioner.plan.scope import Scope
from provisioner.run.engine import Result, RunFailed
from provisioner.verbs.shared.confirm import confirm
from provisioner.verbs.up import Options

if TYPE_CHECKING:
    from provisioner.run.lock import Lock


def run_up(context: Context, console: Console, options: Options) -> Result:
    """Do it, or exactly what the file of --plan says; returns the counts. Raises the error of the first thing that stops it."""
    cluster, saved = context.cluster, None
    scope: Scope = options
    if options.plan:
        from provisioner.plan.saved import recall

        saved = recall(Path(options.plan), scope)
        scope = saved.scope
    found, silent = glance(context, console, scope)
    if found and not saved:
        result = Result(cluster.name, unreachable=found.unreachable)
        console.say(summary(result))
        refuse_removed(found.seen)
        return result
    # Not before: a rerun with nothing to do would spend more time on these than on anything else.
    from provisioner.plan.look import look_closely
    from provisioner.run.execute import locked

    with locked(context, console, "looking at the hosts", strict=scope.strict) as held:
        found = look_closely(context, console, scope, silent)
        if saved:
            from provisioner.plan.saved import refuse_moved

            refuse_moved(saved, found)
        return carry_out(context, console, found, held, yes=options.yes, json=options.json)


def carry_out(context: Context, console: Console, found: Look, held: Lock, *, yes: bool, json: bool = False) -> Result:
    """The part of `up` under a lock that is held: do what the look found, and prove that it holds. Raises as `run_up`."""
    from provisioner.run.execute import execute
    from provisioner.run.settled import await_back

    cluster, result = context.cluster, Result(context.cluster.name, unreachable=found.unreachable)
    if found.plan.steps:
        console.plan(found.plan)
        confirm(f"Bring up {cluster.name} on {len(found.seen.hosts)} hosts?", yes=yes)
        try:
            result = execute(context, console, found.plan, held, facts=found.facts, unreachable=found.unreachable,
                             questions=found.witnesses)
        except RunFailed as error:
            if json:
                console.json(error.result.as_json())
            raise
        await_back(context, found.seen, found.plan)
    else:
        refuse_removed(found.seen)
    console.say(summary(result))
    if found.plan.steps and not json:
        _endpoints(context, console)
    return result


def _endpoints(context: Context, console: Console) -> None:
    rows = []
    for component in COMPONENTS:
        if component.endpoint:
            for host in context.cluster.members(component.name):
                values = {**context.defaults, **host_variables(context.rendered, host.name), "address": host.cluster_address}
                rows.append([component.title, host.name, component.endpoint.format(**values)])
    console.table("endpoints", ("component", "host", "address"), rows)
