"""Runs a program that must not outlive who started it: `python supervisor.py COMMAND …`.

Its input goes to the program, and is the leash: when it ends, because whoever held it let go or died, or on SIGTERM, the program and
everything that it started are ended, whatever sessions they are in (Ansible's workers are in sessions of their own). Signals of the
terminal do not reach it, as the one who starts it gives it a session of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 3.0
POLL_SECONDS = 0.05


def descendants(ancestor: int) -> list[int]:
    """The processes that a process started, and theirs, nearest first; none where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it ended meanwhile
        children.setdefault(parent, []).append(int(entry.parent.name))
    found, waiting = list[int](), [ancestor]
    while waiting:
        own = children.get(waiting.pop(0), [])
        found += own
        waiting += own
    return found


def end(processes: Sequence[int]) -> None:
    """Ask them to end, and make them when they did not within GRACE_SECONDS."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, sign)
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until and any(_alive(process) for process in processes):
            time.sleep(POLL_SECONDS)


def _alive(process: int) -> bool:
    """Whether it still runs; one that only waits to be counted does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def main(command: Sequence[str]) -> int:
    """The program's exit code."""
    over = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        over.set()

    def watch() -> None:
        while data := os.read(0, 65536):  # not through sys.stdin: a thread that waits in it breaks the interpreter's end
            pass_on(data)
        over.set()

    def pass_on(data: bytes) -> None:
        with suppress(OSError):  # the program does not listen
            while data and child.stdin:
                data = data[os.write(child.stdin.fileno(), data):]

    _adopt()
    signal.signal(signal.SIGTERM, stop)
    child = subprocess.Popen(command, stdin=subprocess.PIPE)
    threading.Thread(target=watch, daemon=True).start()
    while True:
        try:
            code = child.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if over.is_set():
                end([child.pid, *descendants(child.pid)])
                return child.wait()
        else:
            # Killed, it has ended nothing of what it started. Else what it left is meant to stay: connections that others share.
            end(descendants(os.getpid()) if code < 0 else [])
            return code


def _adopt() -> None:
    """Those whose parents end become our children and no stranger's (prctl(2), PR_SET_CHILD_SUBREAPER); Linux only."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
