"""`provision remove HOST …`: hosts leave every membership, what ran on them moves, they are cleaned, and the inventory forgets them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import host_list, no_answer
from provisioner.components import COMPONENTS, QUORUMS
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import InventoryError, StepFailed, UnreachableError, UsageError
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.inventory.edit import without_hosts
from provisioner.inventory.load import is_plain, load
from provisioner.observe.observation import Observation, observe
from provisioner.observe.wait import wait_for_calm
from provisioner.plan.make import voters
from provisioner.plan.quorum import ensembles
from provisioner.plan.scope import Scope
from provisioner.plan.steps import Plan, Step
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.membership import forget
from provisioner.run.prepare import UNDER_LOCK, locked, prepared
from provisioner.state import ledger
from provisioner.state.files import refuse_unwritable, rewrite
from provisioner.verbs.remove import Options
from provisioner.verbs.shared.confirm import confirm_by_name, refuse_unasked
from provisioner.verbs.up.work import carry_out


def run_remove(context: Context, console: Console, options: Options) -> Result:
    """Do it, then bring the remaining cluster to its smaller inventory.

    Killed anywhere, the same command goes on:
    the inventory changes only when the hosts are out. Raises UsageError, InventoryError (what would remain is no cluster),
    StepFailed, UnreachableError.
    """
    cluster, names = context.cluster, list(dict.fromkeys(options.names))
    unknown = [n for n in names if n not in {h.name for h in cluster.hosts}]
    if unknown:
        raise UsageError(f"not in the inventory: {', '.join(unknown)}", where=str(context.path),
                         hint=f"hosts: {host_list([h.name for h in cluster.hosts])}")
    text = without_hosts(context.path.read_text(), names, str(context.path)) if is_plain(context.path) else ""
    try:
        smaller = load(context.path, text=text) if text else load(context.path, vault=context.vault, without=names)
    except InventoryError as error:
        raise InventoryError(f"nothing was changed: without {', '.join(names)} this would be no valid inventory: {error.message}",
                             where=error.where, hint=error.hint) from None
    refuse_unasked(options.yes, " ".join(names))
    if text:
        refuse_unwritable(context.path.resolve())
    with locked(context, console, f"remove {', '.join(names)}") as held:
        seen = wait_for_calm(lambda: observe(cluster, context.rendered, context.transport), lambda seen: _refuse(smaller, seen))
        lost = _lost(names, seen, allowed=options.lost)
        for part in ensembles():
            if hasattr(part, "refuse_to_shrink"):
                part.refuse_to_shrink(names, lost, cluster)
        plan = Plan(cluster.name, tuple(_steps(context, names, lost, seen)), voters(cluster))
        console.plan(plan)
        confirm_by_name(options.yes, " ".join(names), "Their data is deleted.")
        result = execute(context, console, plan, held, facts=seen.facts())
        for name in lost:
            forget(cluster.host(name), smaller, seen, RemoteCalls(context.transport))
        if text:
            rewrite(context.path, text.encode())
            console.say(f"{summary(result)}; the inventory no longer has {', '.join(names)}")
        rest = Context(context.path, cluster=smaller, transport=context.transport)
        ledger.save(rest.cluster, rest.ledger)
        with prepared(rest, console, Scope(batch=options.batch), UNDER_LOCK) as ready:
            done = carry_out(rest, console, ready.assessment, held, yes=True)
    if not text:
        console.warn(f"take {', '.join(names)} out of {context.path} now ({', '.join(cluster.host(n).where for n in names)}): "
                     "only plain YAML files are edited, and the next 'provision up' would add them again")
    return done


def _steps(context: Context, leaving: Sequence[str], lost: Collection[str], seen: Observation) -> Iterator[Step]:
    """In the reverse of the order in which a cluster is built: nothing loses what it stands on."""
    cluster = context.cluster
    for component in reversed(COMPONENTS):
        own = [n for n in leaving if component.name in cluster.host(n).groups]
        there = tuple(n for n in own if n not in lost)
        ensemble = component.part("ensemble")
        if ensemble and hasattr(ensemble, "shrink"):
            yield from ensemble.shrink(own, lost, cluster, seen, context.rendered)
        elif there:
            if component.runs_tasks:
                yield Step(component, there, verb="drain", batch=1, why="its tasks move to other agents")
            yield Step(component, there, verb="remove", batch=1 if component.leaves_in_turn else 0)


def _lost(names: Sequence[str], seen: Observation, *, allowed: bool) -> tuple[str, ...]:
    silent = tuple(n for n in names if not seen.hosts[n].reachable)
    if silent and not allowed:
        raise UnreachableError(f"nothing was changed: {no_answer(silent)}: {seen.hosts[silent[0]].error}",
                               hint="bring them back, or pass --lost if they will never run again with their old disks")
    return silent


def _refuse(smaller: Cluster, seen: Observation) -> None:
    """Those that stay must be able to carry on alone."""
    silent = [h.name for h in smaller.hosts if not seen.hosts[h.name].reachable]
    if silent:
        raise UnreachableError(f"nothing was changed: {no_answer(silent)} and would stay: {seen.hosts[silent[0]].error}",
                               hint="bring them back first")
    for component, group in QUORUMS.items():
        sick = [h.name for h in smaller.members(group) if (seen.health(h.name, component) or {}).get("state", "down") == "down"]
        if sick:
            raise StepFailed(f"nothing was changed: {component} is down on {host_list(sick)}, and would stay so",
                             hint="repair that first ('provision up')")
