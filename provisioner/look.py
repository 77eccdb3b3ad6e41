"""Look before anything is changed: fit hosts, what they still have of what was applied, and the plan that follows."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner import kept_facts
from provisioner.adapters.errands import Errands
from provisioner.adapters.ssh import first_contact
from provisioner.adapters.ssh_options import login
from provisioner.authentication import PROTECT
from provisioner.components import COMPONENTS, component_names
from provisioner.console import Console
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.facts import to_ansible_facts
from provisioner.observe import Observation, observe
from provisioner.plan import make_plan, voters
from provisioner.preflight import Report, preflight
from provisioner.session import Session
from provisioner.steps import Plan
from provisioner.trust import all_known
from provisioner.versions import Moves, moves, refuse_bad_changes
from provisioner.witness import Question, questions
from provisioner.workload import Workload


@dataclass(frozen=True)
class Look:
    """What was seen and what follows. `facts` are in Ansible's words; `witnesses` are what each host was asked, by component.

    `moving` says where a version changes.
    """

    plan: Plan
    seen: Observation
    facts: Mapping[str, Mapping[str, Any]]
    witnesses: Mapping[str, Mapping[str, Question]]
    unreachable: frozenset[str]
    moving: Moves


def look(session: Session, console: Console, options: argparse.Namespace) -> Look:
    """Ask the hosts and make the plan; warnings go to the console.

    The hosts' keys must be known (`trust.establish`). `options`: only (component names), limit, full, any_version. Raises UsageError for
    unknown names, StepFailed when a host is not fit or a version is no way on from the one that runs, UnreachableError when a
    host that a quorum needs does not answer.
    """
    found, silent = glance(session, console, options)
    return found or look_closely(session, console, options, silent)


def glance(session: Session, console: Console, options: argparse.Namespace) -> tuple[Look | None, dict[str, UnreachableError]]:
    """The look of a cluster on which nothing is to be done; None when something is, or when that can't be told at once.

    Where the facts of the last look are kept, each host is asked one question, over one connection: whether all is as it was applied
    under these facts, which it tells anew. Needs no lock: whoever changes a host has removed its notes before. Also gives the hosts
    that did not answer, with their errors: waiting for them once is enough.
    """
    only = _components(options.only)
    limit = session.limited(options.limit)
    cluster = session.cluster
    for warning in (*cluster.warnings, *_unmaintained(session)):
        console.warn(warning)
    console.say(f"looking at {len(limit or [h for h in cluster.hosts if not only or h.groups & {*only}])} hosts …")
    before = {} if options.full else kept_facts.read(cluster)
    if set(before) < {h.name for h in cluster.hosts} or not all_known(cluster):
        return None, {}
    asked = _about(only, questions(cluster, session.rendered, session.defaults, before, session.ledger.cluster_id))
    # A refused key locks no account, so only passwords are tried on one host first.
    lost = first_contact(cluster, [h for h in cluster.hosts if h.name in asked and login(h, cluster).password], session.transport)
    seen = observe(cluster, session.rendered, session.transport, hosts=[*asked], components=only, sections=("facts", "health"),
                   witnesses=asked, silent=lost)
    silent = {name: UnreachableError(host.error, where=name, hint=host.hint) for name, host in seen.hosts.items() if not host.reachable}
    if silent or not all(host.facts for host in seen.hosts.values()):
        return None, silent
    facts = {name: to_ansible_facts(host.facts) for name, host in seen.hosts.items()}
    moving = moves(cluster, seen, _wanted(session))
    plan = make_plan(cluster, session.rendered, seen, only=only, limit=limit, batch=options.batch, moving=moving)
    if plan.steps or _about(only, questions(cluster, session.rendered, session.defaults, facts, session.ledger.cluster_id)) != asked:
        return None, {}
    return Look(plan, seen, facts, asked, frozenset(), moving), {}


def _about(only: Collection[str], asked: Mapping[str, Mapping[str, Question]]) -> dict[str, dict[str, Question]]:
    """The questions about these components (none: all), to the hosts that have one of them."""
    some = {host: {name: one for name, one in own.items() if not only or name in only} for host, own in asked.items()}
    return {host: own for host, own in some.items() if own}


def look_closely(session: Session, console: Console, options: argparse.Namespace, silent: Mapping[str, UnreachableError]) -> Look:
    """As `look`, with all that could fail looked at beforehand. Hosts in `silent` are known not to answer."""
    only = _components(options.only)
    limit = session.limited(options.limit)
    cluster = session.cluster
    report = preflight(cluster, session.rendered, session.transport, hosts=limit, silent=silent)
    _judge(report, session, console)
    facts = {name: to_ansible_facts(found) for name, found in report.facts.items()}
    kept_facts.keep(cluster, facts)
    witnesses = questions(cluster, session.rendered, session.defaults, facts, session.ledger.cluster_id)
    seen = observe(cluster, session.rendered, session.transport, sections=("health",), witnesses=witnesses, silent=report.unreachable)
    moving = moves(cluster, seen, _wanted(session))
    if not options.any_version:
        refuse_bad_changes(moving)
    plan = make_plan(cluster, session.rendered, seen, only=only, limit=limit, full=options.full,
                     batch=options.batch, moving=moving).without(report.unreachable)
    _refuse_shut_out(session, plan)
    return Look(plan, seen, facts, witnesses, frozenset(report.unreachable), moving)


def _refuse_shut_out(session: Session, plan: Plan) -> None:
    """StepFailed when a plan would end a framework of somebody else: Mesos never lets one take on a principal later."""
    if not any(step.verb == PROTECT for step in plan.steps):
        return
    names = Workload(session.cluster, session.rendered, Errands(session.transport)).without_principal()
    if names:
        raise StepFailed(f"nothing was changed: {', '.join(names)} told Mesos no principal and would end when credentials are required, "
                         "its tasks orphans", hint="end it and start it anew with a principal, as a new framework")


def _components(names: list[str]) -> tuple[str, ...]:
    for name in names:
        if name not in component_names():
            raise UsageError(f"--only: no component {name!r}", hint=f"one of {', '.join(component_names())}")
    return tuple(names)


def _wanted(session: Session) -> dict[str, str]:
    """The version of each role that has one, as the inventory or the catalogue says."""
    entries = {c.role: session.catalogue.find(c.role, session.version(c.role)) for c in COMPONENTS}
    return {role: entry.version for role, entry in entries.items() if entry}


def _unmaintained(session: Session) -> list[str]:
    found = []
    for name in sorted({c.role for c in COMPONENTS} | {"busybox"}):
        entry = session.catalogue.find(name, session.version(name))
        if entry and entry.maintained != "yes":
            who = "by nobody any more" if entry.maintained == "no" else "by one person only"
            found.append(f"{name} {entry.version} is maintained {who}: run it inside a closed network")
    return found


def _judge(report: Report, session: Session, console: Console) -> None:
    """Stop before the first change when a host is not fit, or a host that a quorum needs does not answer."""
    for finding in report.findings:
        if finding.severity == "warn":
            console.warn(f"{finding.host}: {finding.message}")
    lost = sorted(voters(session.cluster) & set(report.unreachable))
    failures = [f for f in report.findings if f.severity == "fail" and (f.host not in report.unreachable or f.host in lost)]
    if not failures:
        return
    lines = [f"{f.host}: {f.message}" + (f"\n    → {f.hint}" if f.hint else "") for f in failures]
    text = "\n".join(lines)
    if lost:
        raise UnreachableError(f"nothing was changed, because hosts that a quorum needs do not answer:\n{text}")
    raise StepFailed(f"nothing was changed, because the hosts are not fit:\n{text}", hint="mend these, then run 'provision up' again")
