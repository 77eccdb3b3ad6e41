"""`provision up`: look, plan, do. Everything that must be right before the first change happens before the first change."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from provisioner import ledger, secrets
from provisioner.adapters.ansible import AnsiblePlaybooks, Run, seed_facts
from provisioner.adapters.ssh import ansible_ssh_args
from provisioner.components import COMPONENTS, component_names
from provisioner.console import Console, RunProgress, summary
from provisioner.engine import Engine, Result
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.facts import to_ansible_facts
from provisioner.inventory.render import host_variables, to_json
from provisioner.journal import Journal, open_run
from provisioner.observe import Observation, observe
from provisioner.plan import make_plan, voters
from provisioner.preflight import Report, preflight
from provisioner.reboot import Reboots
from provisioner.session import Session
from provisioner.trust import establish
from provisioner.witness import questions

JOURNAL_LINES = 20


def run_up(session: Session, console: Console, options: argparse.Namespace) -> Result:
    """Do it; returns the counts. Raises the error of the first thing that stops it."""
    only = _components(options.only)
    limit = session.limited(options.limit)
    cluster = session.cluster
    for warning in (*cluster.warnings, *_unmaintained(session)):
        console.warn(warning)
    establish(cluster, say=console.say, strict=options.strict)
    console.say(f"looking at {len(limit or cluster.hosts)} hosts …")
    report = preflight(cluster, session.rendered, session.transport, hosts=limit)
    result = Result(cluster.name, unreachable=set(report.unreachable))
    _judge(report, session, console)
    ledger.save(cluster, session.ledger)
    secrets.ensure(cluster)
    facts = {name: to_ansible_facts(found) for name, found in report.facts.items()}
    witnesses = questions(cluster, session.rendered, session.defaults, facts, session.ledger.cluster_id)
    seen = observe(cluster, session.rendered, session.transport, sections=("health",), witnesses=witnesses)
    plan = make_plan(cluster, seen, only=only, limit=limit, full=options.full).without(result.unreachable)
    if not plan.steps:
        console.say(summary(result))
        return result
    console.plan(plan)
    _confirm(options, cluster.name, seen)
    journal = open_run(cluster.state_dir, sys.argv[1:])
    playbooks = _playbooks(session, journal, facts)
    engine = Engine(playbooks, journal, RunProgress(console), lambda h, u: _unit_log(session, h, u), witnesses,
                    Reboots(cluster, session.rendered, session.transport, console.say))
    try:
        engine.up(plan, result)
    finally:
        for warning in result.warnings:
            console.warn(warning)
        if options.json and result.failed:
            console.json(result.as_json())
    console.say(summary(result))
    if not options.json:
        _endpoints(session, console)
    return result


def _components(names: list[str]) -> tuple[str, ...]:
    for name in names:
        if name not in component_names():
            raise UsageError(f"--only: no component {name!r}", hint=f"one of {', '.join(component_names())}")
    return tuple(names)


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


def _confirm(options: argparse.Namespace, cluster: str, seen: Observation) -> None:
    if options.yes or not sys.stdin.isatty():
        return
    answer = input(f"Bring up {cluster} on {len(seen.hosts)} hosts? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed: not confirmed", hint="answer y, or pass --yes")


def _playbooks(session: Session, journal: Journal, facts: Mapping[str, Mapping[str, Any]]) -> AnsiblePlaybooks:
    cluster, vault = session.cluster, secrets.secrets_path(session.cluster)
    inventory = journal.folder / "inventory.json"
    inventory.touch(mode=0o600)
    inventory.write_text(to_json(session.rendered))
    seed_facts(journal.folder, facts)
    run = Run(journal.folder, inventory, vault, secrets.password_file(cluster), ansible_ssh_args(cluster), len(cluster.hosts))
    return AnsiblePlaybooks(run)


def _unit_log(session: Session, host: str, unit: str) -> str:
    """The last lines of a unit's journal; why there are none, when the host can't be asked."""
    try:
        done = session.transport.run(session.cluster.host(host), f"journalctl -u {unit} -n {JOURNAL_LINES} --no-pager -o cat", become=True)
    except UnreachableError as error:
        return f"(not available: {error.message})"
    return done.stdout.decode(errors="replace").strip()


def _endpoints(session: Session, console: Console) -> None:
    rows = []
    for component in COMPONENTS:
        if component.endpoint:
            for host in session.cluster.members(component.name):
                values = {**session.defaults, **host_variables(session.rendered, host.name), "address": host.cluster_address}
                rows.append([component.title, host.name, component.endpoint.format(**values)])
    console.table("endpoints", ("component", "host", "address"), rows)
