"""Look before anything is changed: fit hosts, what they still have of what was applied, and the plan that follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from provisioner.cluster.facts import to_ansible_facts
from provisioner.cluster.names import host_list
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.observe.observation import observe
from provisioner.observe.preflight import Report, preflight
from provisioner.observe.preflight.report import Finding
from provisioner.observe.workload import Workload
from provisioner.plan.authentication import PROTECT
from provisioner.plan.fingerprint import questions
from provisioner.plan.glance import Look, components, glance, wanted
from provisioner.plan.make import make_plan, voters
from provisioner.plan.scope import Scope
from provisioner.plan.steps import Plan
from provisioner.plan.versions import moves, refuse_bad_changes
from provisioner.state import fact_cache


def look(context: Context, console: Console, scope: Scope) -> Look:
    """Ask the hosts and make the plan; warnings go to the console.

    The hosts' keys must be known (`host_keys.establish`). Raises UsageError for unknown names in the scope, StepFailed when a host is
    not fit or a version is no way on from the one that runs, UnreachableError when a host that a quorum needs does not answer.
    """
    found, silent = glance(context, console, scope)
    return found or look_closely(context, console, scope, silent)


def look_closely(context: Context, console: Console, scope: Scope, silent: Mapping[str, UnreachableError]) -> Look:
    """As `look`, with all that could fail looked at beforehand. Hosts in `silent` are known not to answer."""
    only = components(scope.only)
    limit = context.limited(scope.limit)
    cluster = context.cluster
    report = preflight(cluster, context.rendered, context.transport, hosts=limit, silent=silent)
    _judge(report, context, console)
    facts = {name: to_ansible_facts(found) for name, found in report.facts.items()}
    fact_cache.keep(cluster, facts)
    witnesses = questions(cluster, context.rendered, context.defaults, facts, context.ledger.cluster_id, only)
    seen = observe(cluster, context.rendered, context.transport, sections=("health",), witnesses=witnesses, silent=report.unreachable)
    moving = moves(cluster, seen, wanted(context))
    if not scope.any_version:
        refuse_bad_changes(moving)
    plan = make_plan(cluster, context.rendered, seen, only=only, limit=limit, full=scope.full,
                     batch=scope.batch, moving=moving).without(report.unreachable)
    _refuse_shut_out(context, plan)
    return Look(plan, seen, facts, witnesses, frozenset(report.unreachable), moving)


def _refuse_shut_out(context: Context, plan: Plan) -> None:
    """StepFailed when a plan would end a framework of somebody else: Mesos never lets one take on a principal later."""
    if not any(step.verb == PROTECT for step in plan.steps):
        return
    names = Workload(context.cluster, context.rendered, RemoteCalls(context.transport)).without_principal()
    if names:
        raise StepFailed(f"nothing was changed: {', '.join(names)} told Mesos no principal and would end when credentials are required, "
                         "its tasks orphans", hint="end it and start it anew with a principal, as a new framework")


def _judge(report: Report, context: Context, console: Console) -> None:
    """Stop before the first change when a host is not fit, or a host that a quorum needs does not answer."""
    for line in _lines(f for f in report.findings if f.severity == "warn"):
        console.warn(line)
    lost = sorted(voters(context.cluster) & set(report.unreachable))
    failures = [f for f in report.findings if f.severity == "fail" and (f.host not in report.unreachable or f.host in lost)]
    if not failures:
        return
    text = "\n".join(_lines(failures, hints=True))
    if lost:
        raise UnreachableError(f"nothing was changed, because hosts that a quorum needs do not answer:\n{text}")
    raise StepFailed(f"nothing was changed, because the hosts are not fit:\n{text}", hint="mend these, then run 'provision up' again")


def _lines(findings: Iterable[Finding], *, hints: bool = False) -> list[str]:
    """One line for each thing that was found; where it is the same on several hosts, as the first of them has it."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for found in findings:
        own_name = re.compile(rf"(?<!\w){re.escape(found.host)}(?!\w)")
        alike.setdefault((found.check, own_name.sub("", found.message), own_name.sub("", found.hint)), []).append(found)
    lines = []
    for first, *others in alike.values():
        same = f"; the same on {host_list([f.host for f in others])}" if others else ""
        lines.append(f"{first.host}: {first.message}{same}" + (f"\n    → {first.hint}" if hints and first.hint else ""))
    return lines
