"""This checkout's labs as tests see them: only through the command line and, for faults, past SSH."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from provisioner_lab import under_test
from provisioner_lab.model import own_name
from provisioner_lab.systems import DEFAULT_SYSTEM
from provisioner_lab.under_test import COMMAND_SECONDS, PROVISION, ClusterUnderTest, eventually

__all__ = [
    "HOME", "PROVISION", "ROOT", "SHARED", "SYSTEM", "ClusterUnderTest", "eventually", "interrupted", "lab_name", "mitogen", "provision",
]

ROOT = Path(__file__).resolve().parents[3]
#: Labs belong to the folder they were made in, which of a copy of the project is the original's.
HOME = Path(os.environ.get("PROVISION_LAB_HOME") or ROOT)
#: Operating system of a lab's hosts.
SYSTEM = os.environ.get("LAB_OS") or DEFAULT_SYSTEM


def lab_name(purpose: str) -> str:
    """The name of this checkout's lab for a purpose."""
    return own_name(purpose, HOME)


#: The lab of role scenarios and whole-cluster tests.
SHARED = os.environ.get("LAB_NAME") or lab_name(SYSTEM)


def provision(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one command in this checkout; with `check`, a failure shows everything it said."""
    return under_test.provision(*arguments, directory=HOME, check=check)


def interrupted(when: Callable[[str], bool], *arguments: str, by: signal.Signals = signal.SIGINT) -> tuple[int, str]:
    """Run one command as at a terminal and press Ctrl-C (or kill all of it) when `when` is true of all it said so far: its exit code, and
    what it said."""
    # Whoever runs the tests in the background has SIGINT ignored, and a child would inherit that.
    run = subprocess.Popen([PROVISION, *arguments], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    said = ""
    while run.stdout and not when(said):
        line = run.stdout.readline()
        assert line, f"it ended by itself: {said}"
        said += line
    os.killpg(run.pid, by)
    said += run.communicate(timeout=COMMAND_SECONDS)[0]
    return run.returncode, said


@contextlib.contextmanager
def mitogen(cluster: ClusterUnderTest) -> Iterator[None]:
    """The cluster's inventory asks for mitogen, as long as this lasts."""
    before = cluster.inventory.read_text()
    cluster.inventory.write_text(re.sub(r"^( +)cluster_name:", r"\1cluster_mitogen: true\n\g<0>", before, count=1, flags=re.MULTILINE))
    try:
        yield
    finally:
        cluster.inventory.write_text(before)
