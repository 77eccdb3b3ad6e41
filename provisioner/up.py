"""`provision up`: look, plan, do. Everything that must be right before the first change happens before the first change."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner import ledger, secrets
from provisioner.adapters.ansible import AnsiblePlaybooks, Run, seed_facts
from provisioner.adapters.hold import SshHeld
from provisioner.adapters.ssh import ansible_ssh_args
from provisioner.components import COMPONENTS
from provisioner.console import Console, RunProgress, summary
from provisioner.engine import Engine, Result
from provisioner.errors import UnreachableError, UsageError
from provisioner.inventory.render import host_variables, to_json
from provisioner.journal import open_run
from provisioner.lock import Lock
from provisioner.look import Look, look
from provisioner.observe import Observation
from provisioner.reboot import Reboots
from provisioner.session import Session
from provisioner.trust import establish

JOURNAL_LINES = 20


def run_up(session: Session, console: Console, options: argparse.Namespace) -> Result:
    """Do it; returns the counts. Raises the error of the first thing that stops it."""
    cluster = session.cluster
    ledger.save(cluster, session.ledger)
    secrets.ensure(cluster)
    establish(cluster, say=console.say, strict=options.strict)
    with Lock(cluster, functools.partial(SshHeld, cluster), "looking at the hosts").acquire() as lock:
        found = look(session, console, options)
        result = Result(cluster.name, unreachable=set(found.unreachable))
        if found.plan.steps:
            console.plan(found.plan)
            _confirm(options, cluster.name, found.seen)
            _execute(session, console, found, lock, result, options)
    console.say(summary(result))
    if found.plan.steps and not options.json:
        _endpoints(session, console)
    return result


def _execute(session: Session, console: Console, found: Look, lock: Lock, result: Result, options: argparse.Namespace) -> None:
    cluster = session.cluster
    journal = open_run(cluster.state_dir, sys.argv[1:])
    engine = Engine(open_playbooks(session, journal.folder, found.facts), journal, RunProgress(console),
                    lambda h, u: _unit_log(session, h, u), found.witnesses,
                    Reboots(cluster, session.rendered, session.transport, console.say), lock.check)
    try:
        engine.up(found.plan, result)
    finally:
        for warning in result.warnings:
            console.warn(warning)
        if options.json and result.failed:
            console.json(result.as_json())


def _confirm(options: argparse.Namespace, cluster: str, seen: Observation) -> None:
    if options.yes or not sys.stdin.isatty():
        return
    answer = input(f"Bring up {cluster} on {len(seen.hosts)} hosts? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was changed: not confirmed", hint="answer y, or pass --yes")


def open_playbooks(session: Session, folder: Path, facts: Mapping[str, Mapping[str, Any]]) -> AnsiblePlaybooks:
    """Ansible, ready to work in a run's folder: the rendered inventory and the facts are there."""
    cluster = session.cluster
    inventory = folder / "inventory.json"
    inventory.touch(mode=0o600)
    inventory.write_text(to_json(session.rendered))
    seed_facts(folder, facts)
    return AnsiblePlaybooks(Run(folder, inventory, secrets.secrets_path(cluster), secrets.password_file(cluster), ansible_ssh_args(cluster),
                                len(cluster.hosts)))


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
