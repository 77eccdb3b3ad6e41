"""Ending processes: a task's whole tree asked first and killed after its grace period."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

from .log import log

#: Looks for processes that started since the last look, at most.
ROUNDS = 20


def tree(root: int) -> set[int]:
    """Every living process that descends from `root`, is in its session or group, or descends from one of those."""
    rows = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent, group, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue  # it has just ended
            if state != "Z":
                rows[int(entry.name)] = {int(parent), int(group), int(session)}
    found = {root} & set(rows)
    while True:
        more = {pid for pid, above in rows.items() if pid not in found and above & (found | {root})}
        if not more:
            return found
        found |= more


def signal_tree(root: int, number: int) -> None:
    """Send a signal to all of `tree(root)`, stopped meanwhile: none can start another, or end because its child did."""
    found: set[int] = set()
    for _ in range(ROUNDS):
        more = tree(root) - found
        if not more:
            break
        found |= more
        _signal(more, signal.SIGSTOP)
    _signal(found, number)
    _signal(found, signal.SIGCONT)


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
        except PermissionError as error:
            log(f"process {pid} was not signalled: {error}")


class Escalation:
    """SIGTERM at the first request; SIGKILL when the grace period is over. A later request can only shorten it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lock = threading.Lock()
        self._asked = 0.0
        self._due = 0.0
        self._timer: threading.Timer | None = None

    def stop(self, grace: float) -> None:
        """Ask the process to end within so many seconds of the first request."""
        with self._lock:
            if self._process.poll() is not None:
                return
            if self._timer is None:
                self._asked = time.monotonic()
                signal_tree(self._process.pid, signal.SIGTERM)
            elif self._asked + grace >= self._due:
                return
            else:
                self._timer.cancel()
            self._due = self._asked + grace
            self._timer = threading.Timer(max(0.0, self._due - time.monotonic()), self._kill, args=(grace,))
            self._timer.daemon = True
            self._timer.start()

    def _kill(self, grace: float) -> None:
        if self._process.poll() is None:
            log(f"the task did not end within {grace:g} s: killing it")
            signal_tree(self._process.pid, signal.SIGKILL)
