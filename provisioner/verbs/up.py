"""`provision up`: look, plan, do. Everything that must be right before the first change happens before the first change."""

from __future__ import annotations

import argparse
from pathlib import Path

from provisioner.components import COMPONENTS
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.inventory.render import host_variables
from provisioner.observe.frameworks import refuse_removed
from provisioner.plan.glance import glance
from provisioner.run.engine import Result


def run_up(context: Context, console: Console, options: argparse.Namespace) -> Result:
    """Do it, or exactly what the file of --plan says; returns the counts. Raises the error of the first thing that stops it."""
    cluster, saved = context.cluster, None
    if options.plan:
        from provisioner.plan.saved import recall

        saved = recall(Path(options.plan), options)
    found, silent = glance(context, console, options)
    if found and not saved:
        result = Result(cluster.name, unreachable=set(found.unreachable))
        console.say(summary(result))
        refuse_removed(found.seen)
        return result
    # Not before: a rerun with nothing to do would spend more time on these than on anything else.
    from provisioner.plan.look import look_closely
    from provisioner.run.execute import confirm, execute, locked
    from provisioner.run.settled import await_back

    with locked(context, console, "looking at the hosts", strict=options.strict) as held:
        found = look_closely(context, console, options, silent)
        if saved:
            from provisioner.plan.saved import refuse_moved

            refuse_moved(saved, found)
        result = Result(cluster.name, unreachable=set(found.unreachable))
        if found.plan.steps:
            console.plan(found.plan)
            confirm(options, f"Bring up {cluster.name} on {len(found.seen.hosts)} hosts?")
            try:
                execute(context, console, found.plan, held, result, facts=found.facts, witnesses=found.witnesses)
            finally:
                if options.json and result.failed:
                    console.json(result.as_json())
            await_back(context, found.seen, found.plan)
        else:
            refuse_removed(found.seen)
    console.say(summary(result))
    if found.plan.steps and not options.json:
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
