"""`make molecule`: the scenarios one after another on one lab, in build order; stops at nothing, tells all, prints each one's time.

`python molecule/run.py [SCENARIO …] [--not SCENARIO …]`. Environment: LAB_OS (operating system of the hosts), KEEP_LAB=1
(leave the lab as it is at the end, to look at it or to go on faster), PROVISION_RESULTS (see `tests/results.py`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.results import ROOT, keep

#: The last one leaves a larger lab behind.
SCENARIOS = ("repos", "common", "kernel", "docker", "consul", "dns", "zookeeper", "mesos", "marathon", "chronos", "registrator", "logstash",
             "default", "rerun", "failover", "chaos", "scale")


def run(scenario: str) -> tuple[bool, float]:
    """One scenario from syntax to verify; whether it passed and its seconds."""
    begin = time.monotonic()
    environment = {**os.environ, "KEEP_LAB": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["molecule", "test", "--scenario-name", scenario], cwd=ROOT, env=environment, check=False)
    return done.returncode == 0, time.monotonic() - begin


def main() -> int:
    """Exit code 0 when every scenario passed."""
    options = argparse.ArgumentParser(description="Scenarios one after another on one lab; without names all.")
    options.add_argument("names", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    options.add_argument("--not", nargs="+", default=[], metavar="SCENARIO", dest="left_out", help="leave these out")
    chosen = options.parse_args()
    unknown = {*chosen.names, *chosen.left_out} - set(SCENARIOS)
    if unknown:
        options.error(f"no scenario {', '.join(sorted(unknown))}: one of {', '.join(SCENARIOS)}")
    results = {name: run(name) for name in chosen.names or SCENARIOS if name not in chosen.left_out}
    if not os.environ.get("KEEP_LAB"):
        subprocess.run([sys.executable, ROOT / "molecule/shared/lab.py", "destroy"], check=True)
    rows = [f"{name:12} {'passed' if passed else 'FAILED':8} {seconds:6.0f} s" for name, (passed, seconds) in results.items()]
    rows.append(f"{'together':21} {sum(seconds for _, seconds in results.values()):6.0f} s")
    keep(f"scenarios-{os.environ.get('LAB_OS') or 'debian12'}", "\n".join(rows))
    return 0 if all(passed for passed, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
