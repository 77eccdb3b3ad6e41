"""`make molecule`: the scenarios one after another on one lab, in build order; stops at nothing and ends with each one's time.

One that fails gets a second try, because a busy machine must not cost an hour's run; the table says so and says why it
failed, whether or not the second try passed: it is to be looked into.

`python molecule/run.py [SCENARIO …] [--not SCENARIO …] [--mitogen]`. Environment: LAB_OS (operating system of the hosts), KEEP_LAB=1
(leave the lab as it is at the end, to look at it or to go on faster), PROVISION_RESULTS (see `tests/results.py`).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from provisioner.run.ansible import mitogen_settings
from tests.results import ROOT, keep

#: "authentication" builds a cluster anew, so it comes after "upgrade", which throws its lab away. The last one leaves a larger lab behind.
SCENARIOS = ("repos", "common", "kernel", "docker", "consul", "dns", "zookeeper", "mesos", "marathon", "chronos", "registrator", "logstash",
             "default", "rerun", "drift", "rebuild", "upgrade", "authentication", "failover", "chaos", "scale")


#: What starts the line with a reason: pytest's summary, an Ansible task that failed, Ansible or Molecule itself.
REASON = re.compile(r"(FAILED|ERROR) \S+::|fatal: |\[ERROR\]|CRITICAL")


@dataclass(frozen=True)
class Outcome:
    """How one scenario ended: whether all of it passed, in how many seconds, and the lines that say why not, also of a first try."""

    passed: bool
    seconds: float
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "FAILED" if not self.passed else "passed at the second try" if self.reasons else "passed"


def run(scenario: str, settings: Mapping[str, str]) -> Outcome:
    """One scenario from syntax to verify, with these settings of Ansible; its output is passed on while it runs."""
    begin = time.monotonic()
    # COLUMNS: Molecule breaks lines at 80 characters otherwise, in the middle of a reason.
    environment = {**os.environ, **settings, "KEEP_LAB": "1", "COLUMNS": "250",
                   "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    # What Molecule remembers of a run that was broken off, such as the secrets of a lab that is gone, would be taken for this lab's.
    subprocess.run(["molecule", "reset", "--scenario-name", scenario], cwd=ROOT, env=environment, check=True, capture_output=True)
    reasons = []
    with subprocess.Popen(["molecule", "test", "--scenario-name", scenario], cwd=ROOT, env=environment, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            plain = re.sub(r"\x1b\[[0-9;]*m", "", line).strip(" \n│")
            if REASON.match(plain):
                reasons.append(plain[:200])
    passed = process.returncode == 0
    return Outcome(passed, time.monotonic() - begin, () if passed else tuple(reasons[:4]) or ("no reason was printed",))


def run_twice(scenario: str, settings: Mapping[str, str]) -> Outcome:
    """Once when it passes."""
    first = run(scenario, settings)
    if first.passed:
        return first
    second = run(scenario, settings)
    return Outcome(second.passed, first.seconds + second.seconds, first.reasons)


def main() -> int:
    """Exit code 0 when every scenario passed."""
    options = argparse.ArgumentParser(description="Scenarios one after another on one lab; without names all.")
    options.add_argument("names", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    options.add_argument("--not", nargs="+", default=[], metavar="SCENARIO", dest="left_out", help="leave these out")
    options.add_argument("--mitogen", action="store_true", help="apply the roles by mitogen, in less time; not what `provision` does")
    chosen = options.parse_args()
    settings = mitogen_settings() if chosen.mitogen else {}
    unknown = {*chosen.names, *chosen.left_out} - set(SCENARIOS)
    if unknown:
        options.error(f"no scenario {', '.join(sorted(unknown))}: one of {', '.join(SCENARIOS)}")
    results = {name: run_twice(name, settings) for name in chosen.names or SCENARIOS if name not in chosen.left_out}
    if not os.environ.get("KEEP_LAB"):
        subprocess.run([sys.executable, ROOT / "molecule/shared/lab.py", "destroy"], check=True)
    rows = [f"{name:12} {end.seconds:6.0f} s  {end}" for name, end in results.items()]
    rows.append(f"{'together':12} {sum(end.seconds for end in results.values()):6.0f} s")
    rows += [f"{name}: {reason}" for name, end in results.items() for reason in end.reasons]
    keep(f"scenarios-{os.environ.get('LAB_OS') or 'debian12'}", "\n".join(rows))
    return 0 if all(end.passed for end in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
