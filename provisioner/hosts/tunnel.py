"""A port of this machine's loopback that leads to a port a host reaches: each connection through a small program there.

By root's program, not by ssh -L: that connects as the user of the login, and a closed cluster lets only services reach what is for its
members.
"""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from provisioner.cluster.model import Cluster, Host
from provisioner.hosts import local
from provisioner.hosts.failures import become_failure, failure, printable, ssh_failure
from provisioner.hosts.login import cluster_options, environment, host_options, login
from provisioner.hosts.sudo import as_root

CONNECT_SECONDS = 10
#: Says that it is connected, then joins its standard input and output with the port until either side ends. Arguments: address, port.
RELAY = f"""
import os, select, socket, sys
far = socket.create_connection((sys.argv[1], int(sys.argv[2])), {CONNECT_SECONDS})
far.settimeout(None)
os.write(1, b"+")
to = {{0: far.fileno(), far.fileno(): 1}}
while True:
    for one in select.select(list(to), [], [])[0]:
        data = os.read(one, 65536)
        if not data:
            sys.exit()
        while data:
            data = data[os.write(to[one], data):]
"""


class Tunnel:
    """Listens until it is closed; every connection starts `command`, which gets `first` before all else. It has to be a RELAY."""

    def __init__(self, command: Sequence[str], first: bytes = b"", environment: Mapping[str, str] | None = None) -> None:
        self._command, self._first, self._environment = command, first, environment
        self._open: list[tuple[socket.socket, subprocess.Popen[bytes]]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def server(self) -> str:
        """Where it listens, `address:port`."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def failed(self) -> bytes | None:
        """What a connection would fail with; None when it would be made."""
        process = self._start()
        try:
            connected = process.stdout is not None and process.stdout.read(1) == b"+"
            return None if connected else process.stderr.read() if process.stderr else b""
        finally:
            _end(process)

    def close(self) -> None:
        """End it, and all connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection, process in self._open:
            _end(process)
            connection.close()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self._environment, start_new_session=True, bufsize=0)
        if process.stdin and self._first:
            process.stdin.write(self._first)
        return process

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            process = self._start()
            self._open.append((connection, process))
            threading.Thread(target=self._send, args=(connection, process), daemon=True).start()
            threading.Thread(target=self._receive, args=(connection, process), daemon=True).start()

    def _send(self, connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):  # one of the two has ended
            while data := connection.recv(65536):
                if process.stdin:
                    process.stdin.write(data)
        with contextlib.suppress(OSError, ValueError):
            if process.stdin:
                process.stdin.close()

    def _receive(self, connection: socket.socket, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):
            if process.stdout and process.stdout.read(1) == b"+":
                while data := process.stdout.read(65536):
                    connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(OSError):
                pipe.close()


@contextmanager
def tunnel(cluster: Cluster, host: Host, port: int) -> Iterator[str]:
    """`address:port` on this machine by which a port of the host's own address is reached as root reaches it there.

    Raises UnreachableError when the host can't be entered, or nothing answers at the port.
    """
    found = login(host)
    python = str(host.variables.get("ansible_python_interpreter") or "python3")
    relay = shlex.join([python, "-IS", "-c", RELAY, host.cluster_address, str(port)])
    wrapped, first = as_root(relay, b"", found.become_password, found.sudo)
    made = Tunnel(local.words(wrapped), first, local.environment()) if host.local else Tunnel(
        [found.program, "-T", "-o", "ControlPath=none", *cluster_options(cluster), *host_options(found), found.address, wrapped],
        first, environment(found))
    try:
        said = made.failed()
        if said is not None:
            raise become_failure(host, found, said) or (
                failure("other", host, found, f"{host.cluster_address}:{port} does not answer: {_last(said)}")
                if host.local or b"Traceback" in said else ssh_failure(host, found, said))
        yield made.server
    finally:
        made.close()


def _last(said: bytes) -> str:
    return (printable(said).strip().splitlines() or ["no reason given"])[-1]
