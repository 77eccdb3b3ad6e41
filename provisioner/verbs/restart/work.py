"""`provision restart COMPONENT`: its units, in the order that users notice least."""

from __future__ import annotations

from dataclasses import replace

from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.observation import Observation, observe
from provisioner.observe.wait import wait_for_calm
from provisioner.plan.make import voters
from provisioner.plan.quorum import interruption
from provisioner.plan.rolling import rolled
from provisioner.plan.steps import Plan
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.prepare import locked
from provisioner.verbs.restart import Options
from provisioner.verbs.shared.confirm import confirm


def run_restart(context: Context, console: Console, options: Options) -> Result:
    """Restart it everywhere or on --limit, and prove after each host that it works again.

    `options`: component, limit, batch, yes. Raises UsageError for what has no unit, StepFailed when a member is down already
    (another one missing could cost the quorum) or does not come back.
    """
    cluster, component = context.cluster, _component(options.component)
    limit = context.limited(options.limit)
    hosts = [h.name for h in cluster.members(component.unit_group) if not limit or h.name in limit]
    if not hosts:
        raise UsageError(f"{component.title} runs on none of these hosts", hint="see 'provision status'")
    with locked(context, console, f"restart {component.title}") as held:
        together = [h.name for h in cluster.members(component.rolling)] if component.rolling else []
        # No other host has a part in it: one of them that is silent would cost its time-out at each look.
        asked = dict.fromkeys([*(h.name for h in cluster.members(component.unit_group)), *together])
        seen = wait_for_calm(lambda: observe(cluster, context.rendered, context.transport, hosts=[*asked], components=(component.name,)),
                              lambda seen: _refuse_down(component, together, seen))
        silent = {name for name in hosts if not seen.hosts[name].reachable}
        steps = [replace(s, verb="restart") for s in rolled(component, [h for h in hosts if h not in silent], cluster, seen, options.batch)]
        plan = Plan(cluster.name, tuple(steps), voters(cluster))
        if told := interruption(plan, cluster, seen):
            console.warn(told)
        console.plan(plan)
        confirm(f"Restart {component.title} on {counted(len(hosts), 'host')}?", yes=options.yes)
        result = execute(context, console, plan, held, facts=seen.facts(), unreachable=silent)
    console.say(summary(result))
    return result


def _component(name: str) -> Component:
    found = {c.name: c for c in COMPONENTS if c.unit}
    if name not in found:
        raise UsageError(f"{name!r} has no unit to restart", hint=f"one of {', '.join(found)}")
    return found[name]


def _refuse_down(component: Component, together: list[str], seen: Observation) -> None:
    down = [name for name in together if (seen.health(name, component.name) or {}).get("state", "down") == "down"]
    if down:
        raise StepFailed(f"nothing was changed: {component.title} is down on {', '.join(down)}; a restart would take away another member",
                         hint="repair that first ('provision up')")
