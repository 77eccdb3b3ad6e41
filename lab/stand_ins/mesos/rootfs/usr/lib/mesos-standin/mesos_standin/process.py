"""What every Mesos process has: a version, a log in glog's format and its three ways to die."""

from __future__ import annotations

import asyncio
import datetime
import getpass
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn, TextIO

VERSION = "1.11.0-standin"
BUILD: dict[str, Any] = {
    "build_date": "2020-11-17 00:00:00 UTC",
    "build_time": 1605571200.0,
    "build_user": "standin",
    "git_branch": "refs/tags/standin",
    "git_sha": "0000000000000000000000000000000000000000",
}
_LEVELS = ("INFO", "WARNING", "ERROR")
_threshold = [0]
_sinks: list[TextIO] = [sys.stderr]
_background: set[asyncio.Future[Any]] = set()


def configure_log(program: str, level: str, log_dir: str, quiet: bool) -> None:
    """Sends log lines of `level` and above to stderr (unless quiet) and to a new file in log_dir ('' = none)."""
    _threshold[0] = _LEVELS.index(level)
    if quiet:
        _sinks.clear()
    if not log_dir:
        return
    folder = Path(log_dir)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    file = folder / f"{program}.{socket.gethostname()}.{getpass.getuser()}.log.{level}.{stamp}.{os.getpid()}"
    link = folder / f"{program}.{level}"
    link.unlink(missing_ok=True)
    link.symlink_to(file.name)
    _sinks.append(file.open("a", buffering=1))


def _write(letter: str, message: str) -> None:
    now = datetime.datetime.now()
    line = f"{letter}{now:%m%d %H:%M:%S.%f} {os.getpid()} standin.py:1] {message}\n"
    for sink in _sinks:
        sink.write(line)
        sink.flush()


def info(message: str) -> None:
    """Logs what happens in normal work."""
    if _threshold[0] == 0:
        _write("I", message)


def warning(message: str) -> None:
    """Logs what an operator should know but the process survives."""
    if _threshold[0] <= 1:
        _write("W", message)


def exit_with(message: str) -> NoReturn:
    """Ends the process with status 1, as Mesos does for a configuration it cannot work with."""
    _write("E", f"EXIT with status 1: {message}")
    end(1)


def fatal(message: str) -> NoReturn:
    """Ends the process by SIGABRT, as glog's FATAL does; the shell shows 134."""
    _write("F", message)
    for sink in _sinks:
        sink.write("*** Check failure stack trace: ***\n    @     (stand-in: no symbols)\n")
        sink.flush()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def end(status: int) -> NoReturn:
    """Ends the process at once, open ZooKeeper sessions and streams included: they must expire, not close."""
    sys.stdout.flush()
    os._exit(status)


def start(work: Coroutine[Any, Any, Any]) -> asyncio.Future[Any]:
    """Runs a coroutine in the background; its failure ends the process, for nobody would notice it otherwise."""
    task = asyncio.ensure_future(work)
    _background.add(task)
    task.add_done_callback(_finished)
    return task


def _finished(task: asyncio.Future[Any]) -> None:
    _background.discard(task)
    error = None if task.cancelled() else task.exception()
    if error:
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        fatal(f"the stand-in failed:\n{trace}")


def default_signals() -> None:
    """SIGINT, SIGHUP, SIGUSR1 and SIGTERM end the process; SIGTERM is logged first (BEHAVIOUR.md 18)."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)

    def terminate(number: int, _frame: object) -> None:
        warning(f"RAW: Received signal SIGTERM from process {os.getppid()} of user 0; exiting")
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, terminate)


def log_start(program: str) -> None:
    """The lines every start begins with."""
    info(f"Build: {BUILD['build_date']} by {BUILD['build_user']}")
    info(f"Version: {VERSION} ({program}; a stand-in for tests, not Apache Mesos)")
