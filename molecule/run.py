"""`make molecule`: the scenarios one after another on one lab, in build order; stops at nothing, tells all, prints each one's time.

`python molecule/run.py [SCENARIO …]`. Environment: LAB_OS (operating system of the hosts), KEEP_LAB=1 (leave the lab
as it is at the end, to look at it or to go on faster).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ("repos", "common", "kernel", "docker", "consul", "dns", "zookeeper", "mesos", "marathon", "chronos", "registrator", "logstash",
             "default", "rerun", "scale", "failover")


def run(scenario: str) -> tuple[bool, float]:
    """One scenario from syntax to verify; whether it passed and its seconds."""
    begin = time.monotonic()
    environment = {**os.environ, "KEEP_LAB": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["molecule", "test", "--scenario-name", scenario], cwd=ROOT, env=environment, check=False)
    return done.returncode == 0, time.monotonic() - begin


def main(names: list[str]) -> int:
    """Exit code 0 when every scenario passed."""
    unknown = set(names) - set(SCENARIOS)
    if unknown:
        sys.stderr.write(f"error: no scenario {', '.join(sorted(unknown))}\n→ one of {', '.join(SCENARIOS)}\n")
        return 2
    results = {name: run(name) for name in names or SCENARIOS}
    if not os.environ.get("KEEP_LAB"):
        subprocess.run([sys.executable, ROOT / "molecule/shared/lab.py", "destroy"], check=True)
    for name, (passed, seconds) in results.items():
        print(f"{name:12} {'passed' if passed else 'FAILED':8} {seconds:6.0f} s")
    return 0 if all(passed for passed, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
