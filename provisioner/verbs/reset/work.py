"""`provision reset`: everything of ours off every host, in the reverse of the order in which a cluster is built."""

from __future__ import annotations

from collections.abc import Collection

from provisioner.cluster.facts import membership
from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import counted, no_answer
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.openssh import fan_out
from provisioner.observe.observation import Observation, observe
from provisioner.plan.steps import Plan, Step
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.prepare import locked
from provisioner.verbs.reset import Options
from provisioner.verbs.shared.confirm import confirm_by_name, refuse_unasked

#: What the tool itself keeps on a host.
OWN = "/var/lib/provisioner"

def run_reset(context: Context, console: Console, options: Options) -> Result:
    """Do it; killed anywhere, the same command goes on. Inventory, ledger and secrets stay, so `up` builds the same cluster again.

    `options`: data (delete it too), lost (leave out hosts that do not answer), yes (the cluster's name). Raises UnreachableError,
    StepFailed when a host belongs to another cluster, UsageError when the name was not typed.
    """
    cluster = context.cluster
    refuse_unasked(options.yes, cluster.name)
    with locked(context, console, "reset", as_built=False) as held:
        seen = observe(cluster, context.rendered, context.transport, sections=("facts",))
        silent = frozenset(name for name, host in seen.hosts.items() if not host.reachable)
        refuse(seen, silent, context.ledger.cluster_id, lost=options.lost)
        plan = Plan(cluster.name, steps(cluster, silent, data=options.data))
        console.plan(plan)
        confirm_by_name(options.yes, cluster.name, f"Everything is uninstalled from {counted(len(cluster.hosts) - len(silent), 'host')}, "
                        + ("and all data is deleted." if options.data else "but data is kept."))
        result = execute(context, console, plan, held, facts=seen.facts())
        _clean([h for h in cluster.hosts if h.name not in silent], context)
    console.say(summary(result))
    return result


def refuse(seen: Observation, silent: Collection[str], cluster_id: str, *, lost: bool) -> None:
    """Before the first change: UnreachableError for hosts that do not answer, StepFailed for hosts of another cluster."""
    if silent and not lost:
        name = min(silent)
        raise UnreachableError(f"nothing was changed: {no_answer(sorted(silent))}: {seen.hosts[name].error}",
                               hint="bring them back, or pass --lost to leave them as they are")
    for name, host in seen.hosts.items():
        identity, other = membership(host.facts)
        if identity and identity != cluster_id:
            raise StepFailed(f"nothing was changed: this host belongs to another cluster: {other} ({identity})", where=name,
                             hint="reset that one with its own inventory and ledger")


def steps(cluster: Cluster, silent: Collection[str], *, data: bool) -> tuple[Step, ...]:
    """Each component on all of its hosts at once: nothing has to go on meanwhile."""
    found = []
    for component in reversed(COMPONENTS):
        hosts = tuple(h.name for h in cluster.members(component.name) if h.name not in silent)
        found += [Step(component, hosts, verb="remove", variables={**component.reset, **_about_data(component, data)})] if hosts else []
    return tuple(found)


def _about_data(component: Component, delete: bool) -> dict[str, bool]:
    """Whether its role leaves what it has stored where it is, or deletes it."""
    if component.data is None:
        return {}
    variable, deletes = component.data
    return {variable: deletes if delete else not deletes}


def _clean(hosts: Collection[Host], context: Context) -> None:
    answers = fan_out(hosts, lambda h: context.transport.run(h, f"rm -rf {OWN}", become=True))
    for name, said in answers.items():
        if isinstance(said, UnreachableError):
            raise UnreachableError(f"everything is removed except {OWN}: {said.message}", where=name, hint="run the same command again")
