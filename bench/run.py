"""`make bench`: what users wait for, beside what others make them wait for, on the same hosts of one lab, in turn, in one go.

Each round runs every contender once, so that a slow moment of the machine hits all of them. Nothing here asserts: a goal that is
missed is shown as such. The result is printed and kept as JSON in bench/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import commands, contenders, latency, measured, plain
from bench.commands import timed
from bench.contenders import OURS, Contender
from bench.first_run import first_run
from bench.measured import Cost
from provisioner.context import Context
from provisioner.paths import project_dir
from provisioner_lab.model import default_inventory
from provisioner_lab.work import find
from tests.lab.support.results import keep, machine

RESULTS = Path(__file__).parent / "results"
#: What is on a host of which a hundred fit on one machine.
LIGHT = ("common", "repos", "kernel")
#: What is measured, in this order: first runs on fresh hosts, role zookeeper alone, single commands, all roles, one agent more, a lab
#: kept and started again.
PARTS = ("first", "role", "commands", "roles", "agent", "snapshot")
#: These only when they are asked for: they make the lab anew, or make it larger.
ON_DEMAND = ("first", "agent")


def rounds(chosen: Sequence[Contender], repetitions: int, slow: int) -> dict[str, list[Cost]]:
    """Each contender's costs, one for each round; the slow ones run in the first `slow` rounds only."""
    costs: dict[str, list[Cost]] = {c.name: [] for c in chosen}
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        for number in range(repetitions):
            for contender in (c for c in chosen if number < slow or not c.slow):
                sockets = Path(folder) / f"{number}{chosen.index(contender)}"
                sockets.mkdir(mode=0o700)
                surroundings = {**os.environ, **contender.environment(sockets)}
                if contender.before:
                    subprocess.run(contender.before, env=surroundings, check=True, capture_output=True, cwd=project_dir())
                cost = measured.run(contender.command(sockets), environment=surroundings, cwd=project_dir())
                costs[contender.name].append(cost)
                print(f"round {number + 1}: {contender.name}: {cost.wall:.2f} s", flush=True)
    return costs


def table(title: str, costs: dict[str, list[Cost]], hosts: int) -> str:
    """One row each; `x` is the median wall time against ours."""
    base = statistics.median(cost.wall for cost in costs[OURS])
    heading = (f"{'':<32}{'runs':>5}{'wall s':>8}{'min':>8}{'max':>8}{'x':>8}"
               f"{'CPU s':>8}{'ms/host':>9}{'MiB':>7}{'procs':>7}{'kB/host':>9}{'conn/host':>10}")
    rows = []
    for name, runs in costs.items():
        columns = zip(*(asdict(run).values() for run in runs), strict=True)
        wall, cpu, memory, processes, sent, opened = (statistics.median(column) for column in columns)
        spread = f"{min(run.wall for run in runs):>8.2f}{max(run.wall for run in runs):>8.2f}"
        rows.append(f"{name:<32}{len(runs):>5}{wall:>8.2f}{spread}{wall / base:>8.1f}{cpu:>8.2f}"
                    f"{1000 * cpu / hosts:>9.0f}{memory:>7.0f}{processes:>7.0f}{sent / hosts / 1000:>9.1f}{opened / hosts:>10.1f}")
    return "\n".join([f"{title}, {hosts} hosts", heading, *rows])


@dataclass
class Found:
    """What was measured so far: seconds by command, and each contender's costs by the title of their table, with the number of hosts."""

    name: str
    seconds: dict[str, list[float]] = field(default_factory=dict)
    tables: dict[str, tuple[int, dict[str, list[Cost]]]] = field(default_factory=dict)

    def save(self) -> None:
        """Into bench/results; after every part, so that a run that is broken off leaves what it had."""
        RESULTS.mkdir(exist_ok=True)
        costs = {title: {"hosts": hosts, "costs": {name: [asdict(run) for run in runs] for name, runs in of.items()}}
                 for title, (hosts, of) in self.tables.items()}
        record = {"machine": machine(), "seconds": self.seconds, "tables": costs}
        (RESULTS / f"{self.name}.json").write_text(json.dumps(record, indent=1) + "\n")

    def __str__(self) -> str:
        times = "\n".join(f"{name}: {statistics.median(taken):.2f} s" for name, taken in self.seconds.items())
        return "\n\n".join([*(table(title, of, hosts) for title, (hosts, of) in self.tables.items()), times])


def main() -> int:
    """Build the lab unless it is there, run the parts, print and keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lab", default="bench", help="the lab; made, brought up and thrown away unless --built")
    options.add_argument("--masters", type=int, default=3)
    options.add_argument("--agents", type=int, default=7)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--slow-rounds", type=int, default=5, help="rounds of those that take minutes; 0 leaves them out")
    options.add_argument("--parts", nargs="+", choices=PARTS, help=f"only these; by default all but {', '.join(ON_DEMAND)}")
    options.add_argument("--built", action="store_true", help="the lab is there and provisioned, and stays")
    options.add_argument("--light", action="store_true", help=f"hosts with nothing but {', '.join(LIGHT)}, so that many fit on one machine")
    options.add_argument("--latency", type=float, default=0.0, metavar="MS", help="milliseconds that a round trip to a host takes longer")
    options.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    chosen = options.parse_args()
    # Installed programs have their compiled files beside them; this checkout would be compiled anew at each start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    only = [*LIGHT] if chosen.light else []
    # Single commands are timed as they are, not from afar; light hosts have nothing but the roles that are compared.
    possible = ["roles"] if chosen.light else ["role", "roles"] if chosen.latency else PARTS
    parts = [part for part in possible if part in (chosen.parts or set(PARTS).difference(ON_DEMAND))]
    if "first" in parts and chosen.built:
        options.error("--built and part 'first' exclude each other: a first run needs fresh hosts")
    seconds: dict[str, list[float]] = {}
    work = project_dir() / ".provision" / "bench"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    size = ("--masters", str(chosen.masters), "--agents", str(chosen.agents))
    if "first" in parts:
        seconds |= first_run(chosen.lab, size, work, chosen.slow_rounds)
    elif not chosen.built:
        timed("lab", "down", "--name", chosen.lab, "--ignore-missing")
        seconds["lab up"] = [timed("lab", "up", "--name", chosen.lab, *size)]
        seconds["up on fresh hosts"] = [timed("up", "--lab", chosen.lab, "--yes", *(word for name in only for word in ("--only", name)))]
    inventory, lab = default_inventory(chosen.lab, project_dir()), find(chosen.lab)
    context = Context(inventory)
    plain.write(context, work, only)
    hosts = [(str(context.rendered["all"]["vars"]["ansible_user"]), h.address) for h in context.cluster.hosts]
    far = f"{chosen.latency:g} ms away" if chosen.latency else ""
    words = [f"{len(hosts)}-hosts", "light" if only else "", far.replace(" ", "-"), *(chosen.parts or [])]
    found = Found("-".join(filter(None, words)), seconds)

    def compare(what: str, size: int, many: Sequence[Contender]) -> None:
        title = ", ".join(filter(None, ["nothing to do", what, far]))
        with measured.counted(str(lab.subnet)), latency.added(str(lab.subnet), chosen.latency):
            taking_part = [c for c in many if c.name not in chosen.without and (chosen.slow_rounds or not c.slow)]
            found.tables[title] = (size, rounds(taking_part, chosen.rounds, chosen.slow_rounds))
        found.save()

    if "role" in parts:
        plain.write_one_role(context, work)
        compare("role zookeeper", len(context.cluster.members(plain.PORTED)), contenders.one_role(inventory, work))
    if "commands" in parts:
        for part in (commands.small, commands.one_variable, commands.silent_host):
            seconds |= part(chosen.lab, chosen.rounds)
            found.save()
    if "roles" in parts:
        known_hosts = context.cluster.state_dir / "known_hosts"
        compare(", ".join(only) or "all roles", len(hosts), contenders.all_roles(inventory, work, hosts, lab.key, known_hosts, only))
    if "agent" in parts:
        seconds |= commands.one_more_agent(chosen.lab, chosen.agents)
        found.save()
    if "snapshot" in parts:
        seconds |= commands.keep_and_restore(chosen.lab, chosen.rounds)
        found.save()
    keep(f"bench-{found.name}", str(found))
    if not chosen.built:
        timed("lab", "down", "--name", chosen.lab)
    return 0


if __name__ == "__main__":
    sys.exit(main())
