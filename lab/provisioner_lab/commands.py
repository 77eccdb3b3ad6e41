"""Runs programs that need more than `provisioner.mirror.programs` does: in a container, one into another, with a log."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from provisioner.mirror.programs import Say, attempt, failure, not_installed, run, system_path, working


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
            raise not_installed(str(error.filename)) from None
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
            raise not_installed(argv[0]) from None
        if code != 0:
            raise failure(what, code, log.read_text(errors="replace"), hint=f"the whole output is in {log}")
