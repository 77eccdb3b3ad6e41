"""`python -m bench.controller`: what one task on one host costs where Ansible runs, on 30, 100 and more hosts that do nothing.

The driver's own way of calling Ansible (its settings, inventory, facts, callback and connections) plays tasks that are Ansible's module
`ping` to simulated hosts, which answer at once. What is left is the controller's part of every task of a first run, whatever its role does:
a process for each host and task, the module made and sent, the result handed on. What is paid once for each host, such as its connection,
shows in the first of two playbooks; it ends before the second begins.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.simulated_hosts import INVENTORY
from bench.thousand import left_open, processor_seconds, site
from provisioner.cluster.facts import to_ansible_facts
from provisioner.context import Context
from provisioner.hosts.host_keys import establish
from provisioner.run import ansible
from provisioner.run.execute import open_playbooks
from tests.lab.support.results import keep

#: Tasks of a playbook.
FEW, MANY = 1, 5
PLAY = "- hosts: all\n  become: true\n  tasks:\n"
TASK = "    - ansible.builtin.ping:\n"


@dataclass(frozen=True)
class Played:
    """One playbook: seconds, and of processor with those of Ansible's workers and of ssh."""

    wall: float
    cpu: float


def play(context: Context, facts: Mapping[str, Mapping[str, Any]], tasks: int, connections: Path) -> Played:
    """So many tasks on all hosts. Raises RuntimeError when one fails."""
    with tempfile.TemporaryDirectory(prefix="p", dir="/tmp") as name:
        folder = Path(name)
        (folder / "up.yml").write_text(PLAY + TASK * tasks)
        vars(ansible)["playbooks_dir"] = lambda: folder  # this playbook in the place of the driver's
        before, begin = _spent(connections), time.monotonic()
        with open_playbooks(context, folder, facts) as playbooks:
            outcome = playbooks.play("up", {}, lambda event: None)
        wall, spent = time.monotonic() - begin, _spent(connections) - before
    if outcome.failures or outcome.unreachable or outcome.returncode:
        raise RuntimeError(f"{len(outcome.failures)} tasks failed, {len(outcome.unreachable)} hosts are lost: {outcome.failures[:1]}")
    return Played(wall, spent)


def _spent(connections: Path) -> float:
    """Processor time of all that has ended, and of what holds connections open."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime + sum(map(processor_seconds, left_open(connections)))


def measure(count: int, seconds: float) -> str:
    """A row: once for each host, and for each task on each host."""
    with site(count, seconds) as made, tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as sockets:
        os.environ.update(TMPDIR=sockets, XDG_RUNTIME_DIR="")
        tempfile.tempdir = sockets
        context = Context(made.folder / INVENTORY)
        establish(context.cluster, say=lambda _: None)
        facts = {h.name: to_ansible_facts(made.hosts.answer(h, {"sections": ["facts"]})["facts"]) for h in made.hosts.hosts.values()}
        first, few, many = (play(context, facts, tasks, Path(sockets)) for tasks in (FEW, FEW, MANY))
        for pid in left_open(Path(sockets)):
            os.kill(pid, signal.SIGTERM)
    more = (MANY - FEW) * count
    each = (many.cpu - few.cpu) / more
    enter, start = (first.cpu - few.cpu) / count, few.cpu - FEW * count * each
    return (f"{count:>6}{first.wall:>12.1f}{1000 * enter:>17.0f}{start:>16.1f}{few.wall:>10.1f}{many.wall:>12.1f}"
            f"{1000 * (many.wall - few.wall) / more:>14.0f}{1000 * each:>13.0f}")


def main() -> int:
    """Measure, print and keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hosts", type=int, nargs="+", default=[30, 100])
    options.add_argument("--seconds", type=float, default=0.0, help="that a task takes on a host")
    options.add_argument("--forks", type=int, default=0, help="hosts at a time; by default as the driver has it")
    chosen = options.parse_args()
    if chosen.forks:
        ansible.forks = lambda hosts, playbooks=1: min(hosts, chosen.forks)
    heading = (f"{'hosts':>6}{'first of 1':>12}{'ms CPU to enter':>17}{'s CPU to start':>16}{'again 1':>10}"
               f"{f'of {MANY} tasks':>12}{'ms each task':>14}{'ms CPU each':>13}")
    rows = []
    for count in chosen.hosts:
        rows.append(measure(count, chosen.seconds))
        print(heading, rows[-1], sep="\n", flush=True)
    forks = ansible.forks(max(chosen.hosts))
    about = (f"Ansible's module ping, {chosen.seconds:g} s on each host, {forks} forks, simulated hosts:\n"
             "seconds of a playbook of 1 task on new connections, again on open ones, and of several tasks; then of one task on one host")
    keep("controller", "\n".join([about, heading, *rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
