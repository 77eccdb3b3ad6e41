"""`make bench`: times the commands users wait for, on a lab of its own, in one go, and prints figures with the machine.

Nothing here asserts: a figure that is worse than the goal is shown as such.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.results import keep, machine

REPETITIONS = 5
PROVISION = str(Path(sys.executable).parent / "provision")


@dataclass(frozen=True)
class Figure:
    """Seconds of one command over several repetitions, and the goal in seconds."""

    name: str
    seconds: tuple[float, ...]
    goal: float

    @property
    def median(self) -> float:
        """Of the repetitions."""
        return statistics.median(self.seconds)


def timed(*arguments: str, check: bool = True) -> float:
    """Wall seconds of one `provision` command, which must succeed unless it is one that judges (`check`)."""
    begin = time.monotonic()
    subprocess.run([PROVISION, *arguments], check=check, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def build(lab: str, masters: int, agents: int) -> list[Figure]:
    """A lab is made for this, and brought up for the first time."""
    subprocess.run([PROVISION, "lab", "down", "--name", lab], check=False, capture_output=True)  # what an earlier bench left, if any
    made = timed("lab", "up", "--name", lab, "--masters", str(masters), "--agents", str(agents))
    first = timed("up", "--lab", lab, "--yes")
    return [Figure(f"lab up, {masters + agents} hosts (images cached)", (made,), 60), Figure("up on fresh hosts", (first,), 360)]


def measure(lab: str) -> list[Figure]:
    """The fast commands run in turn, so that a slow moment of the machine hits all of them."""
    quick: dict[str, list[float]] = {"help": [], "validate": [], "status": []}
    for _ in range(REPETITIONS):
        quick["help"].append(timed("--help"))
        quick["validate"].append(timed("validate", "--lab", lab))
        quick["status"].append(timed("status", "--lab", lab, check=False))
    rerun = [timed("up", "--lab", lab, "--yes") for _ in range(REPETITIONS)]
    full = timed("up", "--lab", lab, "--yes", "--full")
    return [
        Figure("up again, nothing to do", tuple(rerun), 90),
        Figure("up --full, nothing to do", (full,), 360),
        Figure("status", tuple(quick["status"]), 3),
        Figure("validate", tuple(quick["validate"]), 0.4),
        Figure("--help", tuple(quick["help"]), 0.2),
    ]


def lab_memory(lab: str) -> float:
    """GiB of memory that the lab's containers use now, as the engine counts it."""
    names = subprocess.run(["docker", "ps", "-q", "--filter", f"label=provisioner.lab={lab}"], check=True, capture_output=True, text=True)
    stats = subprocess.run(["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", *names.stdout.split()],
                           check=True, capture_output=True, text=True)
    units = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    total = 0.0
    for line in stats.stdout.splitlines():
        text = line.split("/")[0].strip()
        unit = max((u for u in units if text.endswith(u)), key=len)
        total += float(text.removesuffix(unit)) * units[unit]
    return total / 2**30


def main() -> int:
    """Measure, print, keep the result as JSON."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lab", default="bench")
    options.add_argument("--keep", action="store_true", help="leave the lab running")
    options.add_argument("--built", action="store_true", help="the lab is there and provisioned: leave out what builds it")
    chosen = options.parse_args()
    figures = [*([] if chosen.built else build(chosen.lab, masters=3, agents=2)), *measure(chosen.lab)]
    memory = lab_memory(chosen.lab)
    rows = [f"{f.name:<36}{f.median:>8.2f}s{min(f.seconds):>8.2f}s{max(f.seconds):>8.2f}s{f.goal:>8.1f}s{f.median / f.goal:>9.2f}"
            for f in figures]
    heading = f"{'what':<36}{'median':>9}{'min':>9}{'max':>9}{'goal':>9}{'x goal':>9}"
    print(f"machine: {machine()}")
    keep("bench", "\n".join([f"memory of the five-host lab: {memory:.1f} GiB (goal 6)", "", heading, *rows]))
    results = Path(__file__).parent / "results"
    results.mkdir(exist_ok=True)
    record = {"machine": machine(), "lab_memory_gib": round(memory, 2), "figures": [{**asdict(f), "median": f.median} for f in figures]}
    (results / "latest.json").write_text(json.dumps(record, indent=1) + "\n")
    if not chosen.keep:
        timed("lab", "down", "--name", chosen.lab)
    return 0


if __name__ == "__main__":
    sys.exit(main())
