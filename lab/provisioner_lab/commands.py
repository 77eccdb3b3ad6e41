"""Runs programs of this machine (docker, apt-get, ip, gpg …); the only place of the lab that starts processes."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

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


def run_contained(arguments: Sequence[str], *, what: str, timeout: float = 120.0) -> str:
    """The same for a container without a network; `arguments` are those of `docker run`.

    When the program that waits for it is ended, after `timeout` or by Ctrl-C, the container goes too: by itself it would work on.
    """
    name = f"provisioner-lab-{secrets.token_hex(6)}"
    try:
        return run(["docker", "run", "--rm", "--name", name, "--network", "none", *arguments], what=what, timeout=timeout)
    except BaseException:
        attempt(["docker", "rm", "--force", name])
        raise


def attempt(
    argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 120.0, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Runs a program whose failure is an answer too. Raises UsageError when it is missing, ProvisionError after `timeout` seconds."""
    try:
        return subprocess.run(argv, input=stdin or b"", capture_output=True, timeout=timeout, cwd=cwd, env=system_path(), check=False)
    except FileNotFoundError:
        raise _not_installed(argv[0]) from None
    except subprocess.TimeoutExpired:
        raise ProvisionError(f"`{' '.join(argv[:3])} …` did not end within {timeout:.0f} s",
                             hint="try again; if it repeats, run it by hand to see why") from None


def piped(source: Sequence[str], target: Sequence[str], *, what: str) -> None:
    """What one program writes goes into another; both must succeed. Raises ProvisionError with what the one that failed said."""
    with tempfile.TemporaryFile() as said, contextlib.ExitStack() as running:

        def start(argv: Sequence[str], stdin: IO[bytes] | int, stdout: int) -> subprocess.Popen[bytes]:
            process = running.enter_context(subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=said, env=system_path()))
            running.callback(process.terminate)
            return process

        try:
            first = start(source, subprocess.DEVNULL, subprocess.PIPE)
            assert first.stdout is not None  # noqa: S101 - narrows the type only
            second = start(target, first.stdout, subprocess.DEVNULL)
        except FileNotFoundError as error:
            raise _not_installed(str(error.filename)) from None
        first.stdout.close()  # only the second reads it: when that ends early, the first one is told
        code = second.wait() or first.wait()
        if code:
            said.seek(0)
            raise failure(what, code, said.read().decode(errors="replace"))


def run_logged(argv: Sequence[str], log: Path, *, say: Say, what: str, environment: Mapping[str, str] | None = None) -> None:
    """Runs something slow: its output goes into `log`, with a line of progress every 15 s.

    Raises ProvisionError with the end of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with working(say, what), log.open("wb") as out:
        try:
            settings = {**system_path(), **(environment or {})}
            code = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=settings, check=False).returncode
        except FileNotFoundError:
            raise _not_installed(argv[0]) from None
        if code != 0:
            raise failure(what, code, log.read_text(errors="replace"), hint=f"the whole output is in {log}")


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


def _not_installed(program: str) -> UsageError:
    return UsageError(f"the program {program} is not installed", hint=f"install {program} and try again")
