"""Runs programs of this machine (apt-get, gpg, docker …) whose output nobody needs while they run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from provisioner.errors import ProvisionError, UsageError

#: Receives one line of progress at a time.
Say = Callable[[str], None]

_HEARTBEAT_SECONDS = 15.0


def run(argv: Sequence[str], *, what: str, stdin: bytes | None = None, timeout: float = 120.0, cwd: Path | None = None) -> str:
    """The standard output of a program that must succeed.

    `what` names the step for the reader of an error, `timeout` is in seconds. Raises ProvisionError with the end of what
    the program said, UsageError when the program is not installed.
    """
    done = attempt(argv, stdin=stdin, timeout=timeout, cwd=cwd)
    if done.returncode != 0:
        raise failure(what, done.returncode, (done.stderr + b"\n" + done.stdout).decode(errors="replace"))
    return done.stdout.decode(errors="replace")


def attempt(
    argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 120.0, cwd: Path | None = None, keep: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program whose failure is an answer too; without `keep` what it prints to its standard output is thrown away.

    Raises UsageError when it is missing, ProvisionError after `timeout` seconds.
    """
    try:
        return subprocess.run(argv, input=stdin or b"", stdout=subprocess.PIPE if keep else subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=timeout, cwd=cwd, env=system_path(), check=False)
    except FileNotFoundError:
        raise not_installed(argv[0]) from None
    except subprocess.TimeoutExpired:
        raise ProvisionError(f"`{' '.join(argv[:3])} …` did not end within {timeout:.0f} s",
                             hint="try again; if it repeats, run it by hand to see why") from None


@contextlib.contextmanager
def working(say: Say, what: str) -> Iterator[None]:
    """Says when something slow starts, every 15 s that it still runs, and how long it took."""
    started, over = time.monotonic(), threading.Event()

    def beat() -> None:
        while not over.wait(_HEARTBEAT_SECONDS):
            say(f"{what}: still working, {time.monotonic() - started:.0f} s")

    say(f"{what} …")
    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()
    say(f"{what}: done in {time.monotonic() - started:.0f} s")


def failure(what: str, code: int, output: str, hint: str = "") -> ProvisionError:
    """The error for a program that failed: the last lines of what it said."""
    tail = "\n".join([line for line in output.strip().splitlines() if line.strip()][-12:])
    return ProvisionError(f"{what} failed (exit {code}):\n{tail}", hint=hint or "correct the cause and run the same command again")


def system_path() -> dict[str, str]:
    """This process's environment with the system's program folders, which an operator's PATH may lack."""
    return {**os.environ, "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"}


def not_installed(program: str) -> UsageError:
    return UsageError(f"the program {program} is not installed", hint=f"install {program} and try again")
