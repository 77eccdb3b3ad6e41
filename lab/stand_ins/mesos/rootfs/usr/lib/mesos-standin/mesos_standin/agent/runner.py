"""Processes of tasks: each in its own session under a shell that notes the exit status, so they outlive the agent."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# The shell survives SIGTERM (its child does not inherit that) and writes the status to its standard input, which is a
# file of the agent: it may run as a user who cannot write there.
_NOTE_STATUS = 'trap : TERM INT HUP; "$@" </dev/null; echo $? >&0'
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LaunchFailed(Exception):
    """A task's process could not be started; the text goes into TASK_FAILED."""


@dataclass(frozen=True)
class Process:
    """A started process: its id and start time (clock ticks since boot), which no other process shares."""

    pid: int
    began: str


_children: dict[int, subprocess.Popen[bytes]] = {}


def start(argv: Sequence[str], sandbox: Path, status_file: Path, env: Mapping[str, str], user: str) -> Process:
    """Starts argv in the sandbox as `user`, output to the sandbox's stdout and stderr; LaunchFailed when it cannot."""
    account_id: int | None = None
    group_id: int | None = None
    if user and user != pwd.getpwuid(os.geteuid()).pw_name:
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            raise LaunchFailed(f"Failed to get passwd entry of user '{user}'") from None
        account_id, group_id = account.pw_uid, account.pw_gid
        os.chown(sandbox, account.pw_uid, account.pw_gid)
    with (sandbox / "stdout").open("ab") as out, (sandbox / "stderr").open("ab") as err, status_file.open("w") as note:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _NOTE_STATUS, "mesos-executor", *argv],
            cwd=sandbox,
            env={"PATH": _PATH, **env},
            stdin=note,
            stdout=out,
            stderr=err,
            start_new_session=True,
            user=account_id,
            group=group_id,
        )
    _children[child.pid] = child
    return Process(child.pid, _began(child.pid))


def alive(process: Process) -> bool:
    """Whether the process runs, be it this agent's child or one of an earlier agent."""
    child = _children.get(process.pid)
    if child and child.poll() is not None:
        del _children[process.pid]
        return False
    return bool(process.began) and _began(process.pid) == process.began


def exit_status(status_file: Path) -> int | None:
    """The noted exit status, None when the shell was killed before it could write."""
    with suppress(OSError):
        text = status_file.read_text()
        if text.endswith("\n"):
            return int(text)
    return None


def send(process: Process, number: signal.Signals) -> None:
    """Sends a signal to the whole process group if it is still that group."""
    if alive(process):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def _began(pid: int) -> str:
    """The start time in /proc/<pid>/stat, '' when there is no such process or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def describe(status: int | None, subject: str) -> str:
    """The message of a final update: exited with a status, or terminated by a signal (a shell reports 128+n)."""
    if status is None:
        return f"{subject} terminated with signal Killed"
    if subject == "Command" and status > 128:
        with suppress(ValueError):
            return f"{subject} terminated with signal {_NAMES[signal.Signals(status - 128)]}"
    return f"{subject} exited with status {status}"


_NAMES = {number: signal.strsignal(number) for number in signal.Signals}
