"""A lab as the end-to-end tests see it: only through the command line and, for faults, through the container engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Labs belong to the folder they were made in.
HOME = Path(os.environ.get("PROVISION_LAB_HOME") or Path(__file__).resolve().parents[1])
PROVISION = str(Path(sys.executable).parent / "provision")
#: Longest a single command may take before the test gives up on it, in seconds.
COMMAND_LIMIT = 1500


def lab_name(purpose: str) -> str:
    """The name of this checkout's lab for a purpose: another checkout on the same machine, or what a run of it left, is not in the way."""
    return f"{purpose}-{zlib.crc32(bytes(HOME)):08x}"


def provision(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one command; with `check`, a failure shows everything it said."""
    done = subprocess.run([PROVISION, *arguments], capture_output=True, text=True, timeout=COMMAND_LIMIT, check=False,
                          stdin=subprocess.DEVNULL, cwd=HOME)
    if check and done.returncode:
        raise AssertionError(f"provision {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def interrupted(when: Callable[[str], bool], *arguments: str) -> tuple[int, str]:
    """Run one command as at a terminal and press Ctrl-C when `when` is true of all it said so far: its exit code, and what it said."""
    # Whoever runs the tests in the background has SIGINT ignored, and a child would inherit that.
    run = subprocess.Popen([PROVISION, *arguments], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    said = ""
    while run.stdout and not when(said):
        line = run.stdout.readline()
        assert line, f"it ended by itself: {said}"
        said += line
    os.killpg(run.pid, signal.SIGINT)
    said += run.communicate(timeout=COMMAND_LIMIT)[0]
    return run.returncode, said


@dataclass(frozen=True)
class ClusterUnderTest:
    """A cluster by the arguments that select it (`--lab NAME` or `--hosts FILE`) and the lab its hosts are of."""

    lab: str
    select: tuple[str, ...]

    def run(self, command: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One `provision` command on this cluster."""
        return provision(command, *self.select, *arguments, check=check)

    def status(self) -> dict[str, Any]:
        """`status --json`, healthy or not."""
        answer: dict[str, Any] = json.loads(self.run("status", "--json", check=False).stdout)
        return answer

    def up(self, *arguments: str) -> dict[str, Any]:
        """`up --json`: the object it ends with."""
        result: dict[str, Any] = json.loads(self.run("up", "--yes", "--json", *arguments).stdout.splitlines()[-1])
        return result

    def on(self, host: str, script: str, *, check: bool = True) -> str:
        """Run a shell script as root on a host, past SSH."""
        done = subprocess.run(["docker", "exec", f"{self.lab}-{host}", "sh", "-c", script], capture_output=True, text=True,
                              errors="replace", timeout=300, check=False)
        if check and done.returncode:
            raise AssertionError(f"{host}: {script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def rows(self, component: str, status: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """The status rows of one component."""
        return [c for c in (status or self.status())["components"] if c["component"] == component]

    def leader(self, component: str) -> str:
        """The host that leads a component; the test fails unless there is exactly one."""
        leaders = [r["host"] for r in self.rows(component) if r["leader"]]
        assert len(leaders) == 1, f"{component}: leaders {leaders}"
        return str(leaders[0])


def eventually(what: str, seconds: float, attempt: Callable[[], bool]) -> float:
    """Repeat until true; returns the seconds it took. The test fails when time is up."""
    begin = time.monotonic()
    while not attempt():
        assert time.monotonic() - begin < seconds, f"{what}: not within {seconds:.0f} s"
        time.sleep(1)
    return time.monotonic() - begin
