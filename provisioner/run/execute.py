"""Carrying out a plan on a cluster that is locked: the run's folder, Ansible, and what the engine asks of the hosts meanwhile."""

from __future__ import annotations

import functools
import sys
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from provisioner.context import Context
from provisioner.errors import UnreachableError
from provisioner.hosts.failures import printable
from provisioner.inventory.render import inventory_secrets, to_json
from provisioner.plan.assess import Facts, Questions
from provisioner.plan.authentication import PROTECT
from provisioner.plan.steps import FILL, REBOOT, Plan
from provisioner.run.ansible import VERBS, AnsiblePlaybooks, PlaybookExecutor, Run, seed_facts, with_ssh_arguments
from provisioner.run.engine import Engine, Progress, Result, World
from provisioner.run.filling import filling
from provisioner.run.interrupt import SafePoint
from provisioner.run.lock import Lock
from provisioner.run.members import LiveMembers
from provisioner.run.outcome import Executor
from provisioner.run.prepare import Voice
from provisioner.run.reboot import Reboots
from provisioner.run.znode_acls import owners
from provisioner.state import ledger, secrets
from provisioner.state.files import write_private
from provisioner.state.journal import open_run

JOURNAL_LINES = 20


class Display(Voice, Protocol):
    """How a run is shown."""

    def progress(self) -> Progress:
        """Of the run that begins now."""


def execute(context: Context, display: Display, plan: Plan, held: Lock, *, facts: Facts, unreachable: Collection[str] = (),
            questions: Questions | None = None, also: Mapping[str, Executor] | None = None) -> Result:
    """Carry it out; gives the counts. `facts` are in Ansible's words, `questions` what the hosts note when a role is through.

    Hosts in `unreachable` were left out of the plan and are only counted. `also` carries out verbs that only this command has. Ctrl-C
    stops a plan of several steps between two of them, a second one at once. Raises as `Engine.run` does, and StoppedError.
    """
    if context.switched and any(step.verb == "up" for step in plan.steps):
        ledger.save(context.cluster, replace(context.ledger, switching=True))
    journal = open_run(context.cluster.state_dir, sys.argv[1:])
    reboots = Reboots(context.cluster, context.rendered, context.transport, display.say)
    with ExitStack() as ending:
        playbooks = ending.enter_context(open_playbooks(context, journal.folder, facts))
        playbook = PlaybookExecutor(playbooks, questions or {})
        executors: dict[str, Executor] = {**dict.fromkeys(VERBS, playbook), REBOOT: reboots, PROTECT: owners(context),
                                          FILL: filling(context, display.say), **(also or {})}
        safe = ending.enter_context(SafePoint(display.say)) if len(plan.steps) > 1 else None

        def still_ours(doing: str) -> None:
            if safe:
                safe.check(doing)
            held.check(doing)

        world = World(executors, playbook.together, {REBOOT: reboots.needed}, LiveMembers(context), functools.partial(_unit_log, context),
                      still_ours)
        return Engine(world, journal, display.progress()).run(plan, frozenset(unreachable))


def open_playbooks(context: Context, folder: Path, facts: Facts) -> AnsiblePlaybooks:
    """Ansible, ready to work in a run's folder: the rendered inventory and the facts are there."""
    cluster = context.cluster
    inventory = folder / "inventory.json"
    rendered, hidden = with_ssh_arguments(context.rendered, cluster)
    write_private(inventory, to_json(rendered).encode())
    seed_facts(folder, facts)
    files = [secrets.secrets_path(cluster)]
    if own := {**inventory_secrets(cluster), **hidden}:
        files.append(folder / "inventory_secrets.yml")
        secrets.write_encrypted(files[-1], cluster, own)
    return AnsiblePlaybooks(Run(folder, inventory, tuple(files), secrets.password_file(cluster),
                                len(cluster.hosts), bool(cluster.variables.get("cluster_mitogen")), cluster.local))


def _unit_log(context: Context, host: str, unit: str) -> str:
    """The last lines of a unit's journal; why there are none, when the host can't be asked."""
    try:
        done = context.transport.run(context.cluster.host(host), f"journalctl -u {unit} -n {JOURNAL_LINES} --no-pager -o cat", become=True)
    except UnreachableError as error:
        return f"(not available: {error.message})"
    return printable(done.stdout).strip()
