"""`provision upgrade`: new versions in the order of `upgrade_order`, after a backup, with a pause where the operator wants one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from provisioner.cluster.names import counted
from provisioner.components import component_names
from provisioner.components.model import Component
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import UsageError
from provisioner.observe.frameworks import refuse_removed
from provisioner.plan.steps import Plan
from provisioner.plan.upgrade_order import order
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.prepare import prepared
from provisioner.run.settled import await_back
from provisioner.state import followed
from provisioner.verbs.backup.work import save
from provisioner.verbs.shared.confirm import confirm
from provisioner.verbs.upgrade import Options


def run_upgrade(context: Context, console: Console, options: Options) -> Result:
    """Do it; the same command goes on where an earlier one paused or was stopped, as the plan follows from what the hosts run.

    Raises as `run_up` and `run_backup` do.
    """
    if options.pause_after and options.pause_after not in component_names():
        raise UsageError(f"--pause-after: no component {options.pause_after!r}", hint=f"one of {', '.join(component_names())}")
    with prepared(context, console, options, doing="upgrade") as ready:
        context = ready.context
        found = ready.assessment
        plan = up_to(found.plan, options.pause_after, order(found.moves))
        result = Result(context.cluster.name, unreachable=found.unreachable)
        if plan.steps:
            console.plan(plan)
            confirm(f"Upgrade {context.cluster.name}?", yes=options.yes)
            if not options.no_backup:
                save(context, console)
            result = execute(context, console, plan, ready.held, facts=found.facts, unreachable=found.unreachable,
                             questions=found.questions)
            await_back(context, found.observation, plan)
        else:
            refuse_removed(found.observation)
        if len(plan.steps) == len(found.plan.steps) and not (options.only or options.limit or result.unreachable):
            followed.keep(context.cluster, context.lock)
    console.say(summary(result))
    left = len(found.plan.steps) - len(plan.steps)
    if left:
        console.say(f"paused after {options.pause_after}: {counted(left, 'step')} left; 'provision upgrade' continues")
    return result


def up_to(plan: Plan, last: str | None, components: Sequence[Component]) -> Plan:
    """The steps before the first one of a component that comes later in `components` than the one named; all of them without a name.

    What a step brings about if needed belongs to it, whichever components that touches.
    """
    names = [c.name for c in components]
    wanted = set(names[:names.index(last) + 1] if last else names)
    return replace(plan, steps=tuple(takewhile(lambda step: step.if_needed or step.component.name in wanted, plan.steps)))
