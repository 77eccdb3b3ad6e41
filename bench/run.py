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
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import contenders, measured, plain
from bench.contenders import PROVISION, Contender
from bench.measured import Cost
from provisioner.lab import default_inventory, find, snapshots
from provisioner.paths import project_dir
from provisioner.session import Session
from tests.results import keep, machine

RESULTS = Path(__file__).parent / "results"


def rounds(chosen: Sequence[Contender], repetitions: int) -> dict[str, list[Cost]]:
    """Each contender's costs, one for each round."""
    costs: dict[str, list[Cost]] = {c.name: [] for c in chosen}
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        for number in range(repetitions):
            for contender in chosen:
                sockets = Path(folder) / f"{number}{chosen.index(contender)}"
                sockets.mkdir(mode=0o700)
                surroundings = {**os.environ, **contender.environment(sockets)}
                if contender.warm:
                    subprocess.run(contender.command(sockets), env=surroundings, check=True, capture_output=True, cwd=project_dir())
                cost = measured.run(contender.command(sockets), environment=surroundings, cwd=project_dir())
                costs[contender.name].append(cost)
                print(f"round {number + 1}: {contender.name}: {cost.wall:.2f} s", flush=True)
    return costs


def table(title: str, costs: dict[str, list[Cost]], hosts: int, against: str) -> str:
    """One row each; `x` is the median wall time against that of the contender named `against`."""
    base = statistics.median(cost.wall for cost in costs[against])
    heading = f"{'':<32}{'wall s':>8}{'min':>8}{'max':>8}{'x':>8}{'CPU s':>8}{'ms/host':>9}{'MiB':>7}{'kB/host':>9}{'conn/host':>10}"
    rows = []
    for name, runs in costs.items():
        columns = zip(*(asdict(run).values() for run in runs), strict=True)
        wall, cpu, memory, sent, opened = (statistics.median(column) for column in columns)
        spread = f"{min(run.wall for run in runs):>8.2f}{max(run.wall for run in runs):>8.2f}"
        rows.append(f"{name:<32}{wall:>8.2f}{spread}{wall / base:>8.1f}{cpu:>8.2f}"
                    f"{1000 * cpu / hosts:>9.0f}{memory:>7.0f}{sent / hosts / 1000:>9.1f}{opened / hosts:>10.1f}")
    return "\n".join([f"{title}, {hosts} hosts, {len(next(iter(costs.values())))} rounds", heading, *rows])


def small(lab: str, repetitions: int) -> dict[str, list[float]]:
    """Seconds of the commands that ask no host, or ask and change nothing."""
    found: dict[str, list[float]] = {"--help": [], "validate": [], "status": []}
    for _ in range(repetitions):
        for name, seconds in found.items():
            words = [name] if name.startswith("-") else [name, "--lab", lab]
            seconds.append(timed(*words))
    return found


def keep_and_restore(lab: str, repetitions: int) -> dict[str, list[float]]:
    """Seconds until a lab is kept, and until a cluster started from what was kept is healthy, in this and in a new engine."""
    found = {"lab snapshot": [timed("lab", "snapshot", lab, "--name", lab, "--replace")], "lab restore": [], "lab restore, new engine": []}
    for _ in range(repetitions):
        timed("lab", "down", "--name", lab)
        found["lab restore"].append(timed("lab", "restore", lab))
    timed("lab", "down", "--name", lab)
    kept = snapshots.find(lab)
    for kind, name in (("image", kept.image), ("volume", kept.volume)):
        subprocess.run(["docker", kind, "rm", *map(name, kept.hosts)], check=True, stdout=subprocess.DEVNULL)
    found["lab restore, new engine"].append(timed("lab", "restore", lab))
    timed("lab", "snapshots", "--remove", lab)
    return found


def timed(*arguments: str) -> float:
    """Wall seconds of one `provision` command, which must succeed."""
    begin = time.monotonic()
    subprocess.run([PROVISION, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=project_dir())
    return time.monotonic() - begin


def main() -> int:
    """Build the lab unless it is there, run all, print and keep."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lab", default="bench", help="the lab; made, brought up and thrown away unless --built")
    options.add_argument("--masters", type=int, default=3)
    options.add_argument("--agents", type=int, default=7)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--built", action="store_true", help="the lab is there and provisioned, and stays")
    options.add_argument("--without", nargs="*", default=[], help="contenders to leave out")
    chosen = options.parse_args()
    building: dict[str, float] = {}
    if not chosen.built:
        subprocess.run([PROVISION, "lab", "down", "--name", chosen.lab], check=False, capture_output=True)  # what an earlier bench left
        building["lab up"] = timed("lab", "up", "--name", chosen.lab, "--masters", str(chosen.masters), "--agents", str(chosen.agents))
        building["up on fresh hosts"] = timed("up", "--lab", chosen.lab, "--yes")
    work = project_dir() / ".provision" / "bench"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(mode=0o700, parents=True)
    session = Session(default_inventory(chosen.lab, project_dir()))
    plain.write(session, work)
    lab = find(chosen.lab)
    hosts = [(str(session.rendered["all"]["vars"]["ansible_user"]), h.address) for h in session.cluster.hosts]
    everything = contenders.all_roles(chosen.lab, work, hosts, lab.key, session.cluster.state_dir / "known_hosts")
    one = contenders.one_role(chosen.lab, work)
    with measured.counted(str(lab.subnet)):
        whole = rounds([c for c in everything if c.name not in chosen.without], chosen.rounds)
        single = rounds([c for c in one if c.name not in chosen.without], chosen.rounds)
    quick = {**small(chosen.lab, chosen.rounds), **(keep_and_restore(chosen.lab, chosen.rounds) if not chosen.built else {})}
    texts = [table("nothing to do, all roles", whole, len(hosts), "ours, new connections"),
             table("nothing to do, role zookeeper", single, len(session.cluster.members(plain.PORTED)), "ours, new connections"),
             "\n".join([*(f"{name}: {seconds:.0f} s" for name, seconds in building.items()),
                        *(f"{name}: {statistics.median(seconds):.2f} s" for name, seconds in quick.items())])]
    keep(f"bench-{len(hosts)}", "\n\n".join(texts))
    RESULTS.mkdir(exist_ok=True)
    record = {"machine": machine(), "hosts": len(hosts), "building": building, "small": quick,
              "all roles": {name: [asdict(run) for run in runs] for name, runs in whole.items()},
              "role zookeeper": {name: [asdict(run) for run in runs] for name, runs in single.items()}}
    (RESULTS / f"{len(hosts)}-hosts.json").write_text(json.dumps(record, indent=1) + "\n")
    if not chosen.built:
        timed("lab", "down", "--name", chosen.lab)
    return 0


if __name__ == "__main__":
    sys.exit(main())
