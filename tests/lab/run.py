"""Runs what needs labs in two lanes: roles in build order on one lab; beside them tests that make their own labs, and then whole clusters
one after the other on another.

`python -m tests.lab.run [NAME …] [--not NAME …] [--not-nightly] [--mitogen]`; a NAME is a role, a module of `tests/lab`, or a
group. It stops at nothing, and ends with the time of each and the slowest tests. What the second lane prints follows when it is done:
they run beside each other, as labs wait more than they compute. What fails gets a second try, because a busy machine must
not cost an hour's run; the table says so and says why it failed, whether or not the second try passed: it is to be looked into.

Environment: LAB_OS (operating system of the hosts), KEEP_LAB=1 (leave the lab as it is at the end, to look at it or to go on
faster), PROVISION_RESULTS (see `tests/lab/support/results.py`).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.components import SITE
from provisioner.run.ansible import mitogen_settings
from tests.lab.support import scenarios
from tests.lab.support.checkout import ROOT, SHARED, SYSTEM, provision
from tests.lab.support.results import keep

OWN_LABS, ROLES, CLUSTERS = "own-labs", "roles", "clusters"
GROUPS = (OWN_LABS, ROLES, CLUSTERS)
#: The lab of whole clusters where roles have the shared one at the same time.
SECOND = f"{SHARED}2"
#: What starts the line with a reason: pytest's summary, an Ansible task that failed, Ansible or Molecule itself.
REASON = re.compile(r"(FAILED|ERROR) \S+::|fatal: |\[ERROR\]|CRITICAL")
#: A line of pytest's own list of what took long.
SLOW = re.compile(r"([0-9.]+)s (?:call|setup|teardown) +(\S.*)")
SLOWEST = 15


@dataclass(frozen=True)
class Outcome:
    """How one ended: whether all of it passed, in how many seconds, the lines that say why not (also of a first try), slow tests."""

    passed: bool
    seconds: float
    reasons: tuple[str, ...] = ()
    slow: tuple[tuple[float, str], ...] = ()

    def __str__(self) -> str:
        return "FAILED" if not self.passed else "passed at the second try" if self.reasons else "passed"

    def after(self, first: Outcome) -> Outcome:
        """Both tries as one."""
        again = () if self.passed else tuple(f"again: {reason}" for reason in self.reasons)
        return Outcome(self.passed, first.seconds + self.seconds, (*first.reasons, *again), self.slow)


def commands(name: str, *, short: bool, again: bool = False, lab: str = SHARED) -> tuple[list[str], list[str]]:
    """What is to be run first, and the command that says whether all is well.

    `short` leaves out what is marked nightly; `again` runs only what failed, where tests have labs of their own; `lab` is that of a whole
    cluster.
    """
    if name in scenarios.roles():
        # What Molecule remembers of a run that was broken off, such as the secrets of a lab that is gone, would be taken for this lab's.
        # The lab stays for the next one, so there is nothing to destroy.
        return ["molecule", "reset", "--scenario-name", name], ["molecule", "test", "--destroy", "never", "--scenario-name", name]
    pytest = [sys.executable, "-m", "pytest", "-v", "--durations=10"]
    if name == OWN_LABS:
        # A memory of its own: what runs beside it would overwrite which of these failed.
        memory = ["-o", "cache_dir=.pytest_cache/own-labs", *(["--last-failed"] if again else [])]
        return [], [*pytest, *memory, "-m", "own_lab" + " and not nightly" * short, str(scenarios.MODULES)]
    alone = [*pytest, *(["-m", "not nightly"] if short else []), str(scenarios.module(name))]
    if name in scenarios.own_labs():
        return [], alone
    # -s: the figures that the tests print are for the reader.
    return [], [*alone, "-s", f"--provision-lab={lab}", "--provision-keep", f"--provision-system={SYSTEM}"]


def run(name: str, settings: Mapping[str, str], *, short: bool = False, again: bool = False, lab: str = SHARED,
        aside: list[str] | None = None) -> Outcome:
    """All of one, with these settings of Ansible for a role; its output is passed on while it runs, or laid `aside`."""
    begin = time.monotonic()
    # COLUMNS: Molecule breaks lines at 80 characters otherwise, in the middle of a reason.
    environment = {**os.environ, **settings, "KEEP_LAB": "1", "COLUMNS": "250",
                   "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if short and name in scenarios.roles():
        # Molecule starts pytest itself.
        environment["PYTEST_ADDOPTS"] = "-m 'not nightly'"
    before, command = commands(name, short=short, again=again, lab=lab)
    if before:
        subprocess.run(before, cwd=ROOT, env=environment, check=True, capture_output=True)
    reasons, slow = [], []
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            if aside is None:
                print(line, end="", flush=True)
            else:
                aside.append(line)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line).strip(" \n│")
            if REASON.match(plain):
                reasons.append(plain[:200])
            elif found := SLOW.fullmatch(plain):
                slow.append((float(found[1]), found[2]))
    passed = process.returncode == 0
    return Outcome(passed, time.monotonic() - begin, () if passed else tuple(reasons[:4]) or ("no reason was printed",), tuple(slow))


def run_twice(name: str, settings: Mapping[str, str], *, short: bool = False, lab: str = SHARED, aside: list[str] | None = None) -> Outcome:
    """Once when it passes."""
    first = run(name, settings, short=short, lab=lab, aside=aside)
    return first if first.passed else run(name, settings, short=short, again=True, lab=lab, aside=aside).after(first)


def run_all(names: Sequence[str], settings: Mapping[str, str], *, short: bool = False) -> dict[str, Outcome]:
    """All of them, in two lanes; what of the tests with labs of their own failed runs once more when the machine is quiet."""
    if OWN_LABS not in names or len(names) == 1:
        return {name: run_twice(name, settings, short=short) for name in names}
    roles = [name for name in names if name in scenarios.roles()]
    others = [name for name in names if name != OWN_LABS and name not in roles]
    here, there = (roles, others) if roles else (others, [])
    printed: list[str] = []
    second: dict[str, Outcome] = {}

    def lane() -> None:
        second[OWN_LABS] = run(OWN_LABS, settings, short=short, aside=printed)
        for name in there:
            second[name] = run_twice(name, settings, short=short, lab=SECOND, aside=printed)

    beside = threading.Thread(target=lane)
    beside.start()
    results = {name: run_twice(name, settings, short=short) for name in here}
    beside.join()
    print(*printed, sep="", flush=True)
    first = second.pop(OWN_LABS)
    results |= second
    results[OWN_LABS] = first if first.passed else run(OWN_LABS, settings, short=short, again=True).after(first)
    return results


def chosen(names: Sequence[str], left_out: Sequence[str], *, short: bool) -> list[str]:
    """What is to be run, in this order. Raises ValueError for names that nothing has."""
    groups = {OWN_LABS: (OWN_LABS,), ROLES: scenarios.roles(), CLUSTERS: scenarios.clusters()}
    known = {*GROUPS, *scenarios.roles(), *scenarios.clusters(), *scenarios.own_labs()}
    if unknown := {*names, *left_out} - known:
        raise ValueError(f"nothing is called {', '.join(sorted(unknown))}: one of {', '.join(sorted(known))}")
    wanted = [each for name in names or GROUPS for each in groups.get(name, (name,))]
    without = {each for name in left_out for each in groups.get(name, (name,))}
    if not SYSTEM.startswith(("debian", "ubuntu")):
        without.add(SITE.role)  # Red Hat's kin have no package of a registry: its role refuses them
    return [name for name in wanted if name not in without and not (short and name != OWN_LABS and scenarios.nightly(name))]


def report(results: Mapping[str, Outcome], together: float) -> str:
    """The time of each, and of all, why what failed did, and the slowest tests."""
    rows = [f"{name:16} {end.seconds:6.0f} s  {end}" for name, end in results.items()]
    rows.append(f"{'together':16} {together:6.0f} s")
    rows += [f"{name}: {reason}" for name, end in results.items() for reason in end.reasons]
    slow = sorted(((seconds, name, test) for name, end in results.items() for seconds, test in end.slow), reverse=True)[:SLOWEST]
    return "\n".join([*rows, "", "slowest tests:", *(f"{seconds:6.0f} s  {name}: {test}" for seconds, name, test in slow)])


def main() -> int:
    """Exit code 0 when everything passed."""
    options = argparse.ArgumentParser(prog="python -m tests.lab.run", description=__doc__.partition("\n")[0])
    options.add_argument("names", nargs="*", metavar="NAME", help=f"role, module of tests/lab or group ({', '.join(GROUPS)}); default: all")
    options.add_argument("--not", nargs="+", default=[], metavar="NAME", dest="left_out", help="leave these out")
    options.add_argument("--not-nightly", action="store_true", dest="short", help="leave out what is marked nightly")
    options.add_argument("--mitogen", action="store_true", help="apply the roles by mitogen, in less time; not what `provision` does")
    given = options.parse_args()
    settings = mitogen_settings() if given.mitogen else {}
    try:
        names = chosen(given.names, given.left_out, short=given.short)
    except ValueError as error:
        options.error(str(error))
    begin = time.monotonic()
    results = run_all(names, settings, short=given.short)
    if not os.environ.get("KEEP_LAB") and {*names} & {*scenarios.roles(), *scenarios.clusters()}:
        for lab in (SHARED, SECOND):
            provision("lab", "down", "--name", lab, "--ignore-missing")
    keep(f"scenarios-{SYSTEM}", report(results, time.monotonic() - begin))
    return 0 if all(end.passed for end in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
