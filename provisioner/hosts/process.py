"""A child process with a deadline and a limit on what it may send back."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Protocol

CHUNK = 65536
#: After the child has ended, its pipes can be held open by a process it left behind (older ssh: the shared connection).
LEFTOVER_SECONDS = 0.2
WAKE_SECONDS = 1.0


class Killable(Protocol):
    """Something that runs and can be ended from another thread."""

    def kill(self) -> None:
        """End it now."""


#: What other threads wait for. Adding and removing are single operations, so no lock is needed.
_live: set[Killable] = set()


class OutputTooLargeError(Exception):
    """The child sent more than it may."""


class DeadlineError(Exception):
    """The child did not end in time."""


@dataclass
class _Talk:
    """What goes in and out of one child."""

    stdin: memoryview
    limit: int
    line: Callable[[bytes], None] | None
    taken: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    pending: dict[str, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})

    def take(self, name: str, data: bytes) -> None:
        """Keep a piece of output; with a line callback only stderr is kept, because it may hold ssh's own words."""
        if self.line:
            *whole, self.pending[name] = (self.pending[name] + data).split(b"\n")
            for text in whole:
                self.line(text)
            if len(self.pending[name]) > CHUNK:
                self.line(self.pending[name])
                self.pending[name] = b""
            if name == "stderr":
                self.taken[name] = (self.taken[name] + data)[-CHUNK:]
            return
        self.taken[name] += data
        if sum(map(len, self.taken.values())) > self.limit:
            raise OutputTooLargeError

    def end(self) -> None:
        """Hand over what was not ended by a newline."""
        for text in self.pending.values():
            if self.line and text:
                self.line(text)


def run_bounded(command: Sequence[str], stdin: bytes, env: Mapping[str, str], *, timeout: float, limit: int,
                line: Callable[[bytes], None] | None = None) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a child, which Ctrl-C does not reach: what it means is for us to decide.

    With `line` every line of both is handed over as it comes.

    Raises DeadlineError after `timeout` seconds and OutputTooLargeError after `limit` bytes; the child is killed then.
    """
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                             start_new_session=True)
    talk = _Talk(memoryview(stdin), limit, line)
    try:
        with killable(child):
            _exchange(child, talk, time.monotonic() + timeout)
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        for pipe in (child.stdin, child.stdout, child.stderr):
            _close(pipe)
    talk.end()
    return child.wait(), bytes(talk.taken["stdout"]), bytes(talk.taken["stderr"])


@contextmanager
def killable(running: Killable) -> Iterator[None]:
    """While a thread waits for it, `kill_all` ends it."""
    _live.add(running)
    try:
        yield
    finally:
        _live.discard(running)


def kill_all() -> None:
    """End all that threads wait for: children with a session of their own don't hear the terminal's Ctrl-C."""
    for running in tuple(_live):
        running.kill()


def _exchange(child: subprocess.Popen[bytes], talk: _Talk, deadline: float) -> None:
    """Write and read until the child has closed both outputs, or has ended and nothing more comes."""
    with selectors.DefaultSelector() as pipes:
        for pipe, name in ((child.stdin, "stdin"), (child.stdout, "stdout"), (child.stderr, "stderr")):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                pipes.register(pipe.fileno(), selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ, name)
        while any(key.data != "stdin" for key in pipes.get_map().values()):
            if time.monotonic() > deadline:
                raise DeadlineError
            ended = child.poll() is not None
            ready = pipes.select(LEFTOVER_SECONDS if ended else min(WAKE_SECONDS, max(0.0, deadline - time.monotonic())))
            if ended and not ready:
                break
            for key, _ in ready:
                if key.data == "stdin":
                    _write(pipes, key.fd, talk, child.stdin)
                else:
                    _read(pipes, key.fd, talk, key.data)
    try:
        child.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise DeadlineError from None


def _read(pipes: selectors.BaseSelector, fd: int, talk: _Talk, name: str) -> None:
    data = os.read(fd, CHUNK)
    if data:
        talk.take(name, data)
    else:
        pipes.unregister(fd)


def _write(pipes: selectors.BaseSelector, fd: int, talk: _Talk, pipe: IO[bytes] | None) -> None:
    try:
        talk.stdin = talk.stdin[os.write(fd, talk.stdin[:CHUNK]) if talk.stdin else 0:]
    except BrokenPipeError:
        talk.stdin = memoryview(b"")  # the child ended early; its exit code and stderr say why
    if not talk.stdin:
        pipes.unregister(fd)
        _close(pipe)


def _close(pipe: IO[bytes] | None) -> None:
    if pipe and not pipe.closed:
        pipe.close()
