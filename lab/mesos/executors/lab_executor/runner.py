"""What the two kinds of tasks have in common: how they are started and stopped, and how their end is told."""

from __future__ import annotations

import signal
from typing import Any, Protocol

from .checks import Target

Status = dict[str, Any]


class LaunchError(Exception):
    """The task can't be started; the message is the task's."""


class Runner(Protocol):
    """What starts and stops one kind of task."""

    #: the executor's name in messages, and the task's
    name: str
    title: str
    #: seconds between the request to end and the kill, without a policy
    default_grace: float

    def start(self, task: dict[str, Any]) -> None:
        """Start the task or raise LaunchError; returns at once."""

    def started(self) -> Status | None:
        """Wait until it runs: what its first update shows more; None if it never ran."""

    def wait(self) -> int:
        """Wait until it has ended: its exit status, or the signal that ended it as a negative number."""

    def target(self) -> Target:
        """Where its checks run."""

    def stop(self, grace: float) -> None:
        """Ask it to end and kill it after that many seconds; again: sooner."""


def describe(code: int) -> str:
    """How a process ended, in Mesos' words."""
    if code >= 0:
        return f"exited with status {code}"
    return f"terminated with signal {signal.strsignal(-code) or -code}"
