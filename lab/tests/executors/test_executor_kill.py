"""Ending real processes: asked first, killed after the grace period, with all that they started."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_executor.kill import Escalation, signal_tree, tree

Process = subprocess.Popen[bytes]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Process]]:
    """Processes to be killed at the end, whatever became of them."""
    processes: list[Process] = []
    yield processes
    for process in processes:
        signal_tree(process.pid, signal.SIGKILL)
        process.wait()


def shell(started: list[Process], script: str, ready: Path) -> Process:
    """A shell in a session of its own that has made the file `ready`."""
    started.append(subprocess.Popen(["/bin/sh", "-c", script.replace("READY", f": >{ready}")], start_new_session=True))
    until(ready.exists)
    return started[-1]


def until(condition: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_the_tree_is_the_process_and_its_children(started: list[Process], tmp_path: Path) -> None:
    process = shell(started, "sleep 60 & READY; wait", tmp_path / "ready")
    until(lambda: len(tree(process.pid)) == 2)
    signal_tree(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not tree(process.pid))


def test_a_task_that_ends_when_asked_is_not_killed(started: list[Process], tmp_path: Path) -> None:
    process = shell(started, f"trap 'echo asked >{tmp_path}/said; exit 5' TERM; READY; while :; do sleep 0.01; done", tmp_path / "ready")
    Escalation(process).stop(60)
    assert process.wait(20) == 5
    assert (tmp_path / "said").read_text() == "asked\n"


def test_a_shell_ends_by_the_signal_and_not_because_its_child_did(started: list[Process], tmp_path: Path) -> None:
    process = shell(started, "READY; sleep 60; exit 7", tmp_path / "ready")
    until(lambda: len(tree(process.pid)) == 2)
    Escalation(process).stop(60)
    assert process.wait(20) == -signal.SIGTERM


STUBBORN = "trap '' TERM; READY; while :; do sleep 0.01; done"


def test_a_task_that_does_not_end_is_killed_after_the_grace_period(started: list[Process], tmp_path: Path) -> None:
    process = shell(started, STUBBORN, tmp_path / "ready")
    Escalation(process).stop(0.1)
    assert process.wait(20) == -signal.SIGKILL


def test_a_later_request_shortens_the_grace_period_and_none_lengthens_it(started: list[Process], tmp_path: Path) -> None:
    process = shell(started, STUBBORN, tmp_path / "ready")
    escalation = Escalation(process)
    escalation.stop(3600)
    escalation.stop(0.1)
    escalation.stop(7200)
    assert process.wait(20) == -signal.SIGKILL


def test_a_task_that_has_ended_is_left_alone(started: list[Process], tmp_path: Path) -> None:
    process = shell(started, "READY; exit 3", tmp_path / "ready")
    process.wait()
    Escalation(process).stop(0)
    assert process.returncode == 3
