"""A program on a host that runs as long as we hold it: one line in, one line out, ended by closing its input."""

from __future__ import annotations

import contextlib
import selectors
import subprocess
from collections.abc import Callable
from typing import Protocol

from provisioner.cluster.model import Cluster, Host
from provisioner.hosts import local
from provisioner.hosts.failures import SshError, become_failure, failure, printable, ssh_failure
from provisioner.hosts.login import cluster_options, environment, host_options, login
from provisioner.hosts.sudo import as_root

CLOSE_SECONDS = 5.0
MAX_LINE = 65536


class RemoteProcess(Protocol):
    """The program while it runs."""

    def send(self, text: str) -> None:
        """Give it a line; nothing happens when it has ended."""

    def line(self, timeout: float) -> str:
        """Its next line; '' when it has ended or said nothing in time."""

    def alive(self) -> bool:
        """Whether it still runs."""

    def close(self) -> None:
        """End it."""


#: Starts a shell command as root on a host. Raises UnreachableError.
StartProcess = Callable[[Host, str], RemoteProcess]


class HostProcess:
    """Through `ssh`, in the shared connection of the host; a child of ours where the host is this machine."""

    def __init__(self, cluster: Cluster, host: Host, command: str) -> None:
        found = login(host)
        self._host, self._login = host, found
        wrapped, first = as_root(command, b"", found.become_password, found.sudo)
        words, env = ((local.words(wrapped), local.environment()) if host.local else
                      ([found.program, "-T", *cluster_options(cluster), *host_options(found), found.address, wrapped], environment(found)))
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                         env=env, start_new_session=True)
        self._write(first)

    def send(self, text: str) -> None:
        """See RemoteProcess."""
        self._write(text.encode() + b"\n")

    def line(self, timeout: float) -> str:
        """See RemoteProcess. Raises SshError when ssh itself failed."""
        out = self._process.stdout
        assert out is not None  # noqa: S101 - narrows the type only
        with selectors.DefaultSelector() as ready:
            ready.register(out, selectors.EVENT_READ)
            answers = ready.select(timeout)
        text = out.readline(MAX_LINE) if answers else b""
        if not answers:
            raise failure("timeout", self._host, self._login, f"no answer within {timeout:.0f} s", "is the host overloaded?")
        if not text:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it has closed its output, so it is about to end
                self._process.wait(CLOSE_SECONDS)
            raise self._ended()
        return text.decode(errors="replace").strip()

    def alive(self) -> bool:
        """See RemoteProcess."""
        return self._process.poll() is None

    def close(self) -> None:
        """See RemoteProcess."""
        with contextlib.suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # it has ended: alive() tells
            if self._process.stdin and data:
                self._process.stdin.write(data)
                self._process.stdin.flush()

    def _ended(self) -> SshError:
        errors = self._process.stderr.read(MAX_LINE) if self._process.stderr else b""
        return become_failure(self._host, self._login, errors) or self._broken(errors)

    def _broken(self, errors: bytes) -> SshError:
        if not self._host.local:
            return ssh_failure(self._host, self._login, errors)
        return failure("other", self._host, self._login, f"a program ended too early: {printable(errors).strip() or 'it said nothing'}")
