"""`python -m bench.ssh_server --work DIR --hosts N`: one process that is the SSH server of all hosts of a simulated cluster.

They are 127.x.y.z on the loopback interface and nowhere else, on one port. Who has the right key gets in as on any host and may run what
the driver runs: its probe, as root by sudo, answered by `bench/simulated_hosts.py`, and `true`; and Ansible's module `ping`, which does
nothing. Each host has a key of its own.

It prints its port when it listens, and ends with its standard input.
"""

from __future__ import annotations

import argparse
import base64
import bz2
import contextlib
import functools
import hashlib
import io
import json
import re
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.simulated_hosts import Recording, Simulated, SimulatedCluster
from provisioner.observe.payload import payload

#: What a full host's answer takes of its processor, as measured (docs/performance.md); here it is slept.
ANSWER_SECONDS = 0.3
#: Connections that the kernel keeps for a server that is busy.
BACKLOG = 1024
#: Seconds until who has not begun anything is shown out.
IDLE_SECONDS = 60.0
#: How often paramiko looks up from a connection on which nothing comes.
LOOK_SECONDS = 5.0
MAX_REQUEST = 1 << 20
CHUNK = 65536
NOT_FOUND = 127
#: What Ansible's module `ping` prints.
PONG = json.dumps({"changed": False, "ping": "pong", "invocation": {"module_args": {"data": "pong"}}}).encode()
#: Where the bench tells what the hosts have noted: identity of the cluster, and digests by host and component.
NOTES = "notes.json"

#: Gives what a host prints for a request of the probe.
Answerer = Callable[[Simulated, dict[str, Any]], bytes]


def answer_of(hosts: SimulatedCluster) -> Answerer:
    """What the hosts of a cluster print."""
    return lambda host, request: json.dumps(hosts.answer(host, request)).encode()


class SshServer:
    """Listens from when it is made. `authorized` is the only key that gets in; `answer` is what the hosts say."""

    def __init__(self, hosts: SimulatedCluster, authorized: paramiko.PKey, answer: Answerer, *, seed: str = "", port: int = 0,
                 think_seconds: float = 0.0) -> None:
        self.hosts, self.authorized, self.answer, self.think_seconds = hosts, authorized, answer, think_seconds
        self._seed = seed
        self._socket = socket.socket()
        # All addresses, but of the loopback interface alone.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("0.0.0.0", port))  # noqa: S104
        self._socket.listen(BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()

    def host_key(self, host: Simulated) -> paramiko.PKey:
        """The same each time, another one for each host."""
        return private_key(hashlib.sha256(f"{self._seed}:{host.name}".encode()).digest())

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            host = self.hosts.hosts.get(connection.getsockname()[0])
            if host:
                threading.Thread(target=self._greet, args=(connection, host), daemon=True).start()
            else:
                connection.close()  # nobody has this address

    def _greet(self, connection: socket.socket, host: Simulated) -> None:
        transport, door = paramiko.Transport(connection), _Door(self, host)
        try:
            connection.settimeout(LOOK_SECONDS)  # with its own tenth of a second, thousands of idle connections keep a processor busy
            transport.add_server_key(self.host_key(host))
            transport.start_server(server=door)
            channel = transport.accept(IDLE_SECONDS)
            while channel:  # one that shares its connection comes back
                door.answer(channel)
                channel = transport.accept(IDLE_SECONDS)
        except (paramiko.SSHException, EOFError, OSError):
            pass  # it has gone
        finally:
            transport.close()


class _Door(paramiko.ServerInterface):
    """Who may enter one host, and what runs there."""

    def __init__(self, server: SshServer, host: Simulated) -> None:
        self._server, self._host = server, host
        self._commands: dict[int, tuple[str, threading.Event]] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL if key == self._server.authorized else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if kind != "session":
            return paramiko.common.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self._commands[chanid] = ("", threading.Event())
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        _, given = self._commands[channel.get_id()]
        self._commands[channel.get_id()] = (command.decode(), given)
        given.set()
        return True

    def answer(self, channel: paramiko.Channel) -> None:
        """Run what was asked for on a channel, and close it."""
        _, given = self._commands[channel.get_id()]
        if given.wait(IDLE_SECONDS):
            command, _ = self._commands.pop(channel.get_id())
            code, stdout, stderr = self._run(command, channel)
            channel.sendall(stdout)
            channel.sendall_stderr(stderr)
            channel.send_exit_status(code)
        channel.close()

    def _run(self, command: str, channel: paramiko.Channel) -> tuple[int, bytes, bytes]:
        if command == "true":
            return 0, b"", b""
        marker = became_root(command)
        if not (marker or is_probe(command)):
            return NOT_FOUND, b"", b"a simulated host has no such command\n"
        if marker:
            channel.sendall(f"{marker}\n".encode())
        stdin = bytearray()
        while (data := channel.recv(CHUNK)) and len(stdin) < MAX_REQUEST:
            stdin += data
        if marker:
            time.sleep(self._server.think_seconds)
            return (0, PONG, b"") if b"ping" in stdin else (NOT_FOUND, b"", b"a simulated host has no modules but ping\n")
        answer = self._server.answer(self._host, request_in(bytes(stdin)))
        time.sleep(self._server.think_seconds)
        return 0, answer, b""


@functools.lru_cache(64)
def is_probe(command: str) -> bool:
    """Whether a command is the driver's probe, run as root as `hosts/sudo.as_root` has it."""
    probe = shlex.split(payload({})[0])[1:]  # after the name of the Python
    shell, _, script = (*shlex.split(command), "", "", "")[:3] if command.startswith("sh -c ") else ("", "", "")
    as_root = script.rpartition("exec sudo -n sh -c ")[2]
    return bool(shell) and bool(as_root) and shlex.split(shlex.split(as_root)[0])[1:] == probe


def became_root(command: str) -> str:
    """What Ansible waits for before it sends a module to a Python that it starts as root by sudo (pipelining); '' for other commands."""
    said = re.search(r"^/bin/sh -c 'sudo .*echo (BECOME-SUCCESS-[a-z]+) ; /usr/bin/python3'", command)
    return said[1] if said else ""


def request_in(stdin: bytes) -> dict[str, Any]:
    """What the probe is asked: the second of two compressed streams, as `observe/payload.py` makes them; the first is the program."""
    program = bz2.BZ2Decompressor()
    length = _programs.get(stdin[:_HEAD])
    if length is None:
        program.decompress(stdin)
        length = _programs[stdin[:_HEAD]] = len(stdin) - len(program.unused_data)
    found: dict[str, Any] = json.loads(bz2.decompress(stdin[length:])[:-1])
    return found


#: By how a program begins: its length. Those of all hosts of a kind are the same, and the checksum of its blocks is among the first bytes.
_programs: dict[bytes, int] = {}
_HEAD = 64


def private_key(secret: bytes) -> paramiko.PKey:
    """An Ed25519 key of 32 secret bytes."""
    return paramiko.Ed25519Key.from_private_key(io.StringIO(private_text(secret)))


def private_text(secret: bytes) -> str:
    """The same as OpenSSH keeps it in a file."""
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()).decode()


class Noted:
    """The simulated cluster with the notes that lie in a folder now: the bench changes them while the server runs."""

    def __init__(self, work: Path, count: int) -> None:
        self._path, self._count, self._recording = work / NOTES, count, Recording.read()
        self._read = 0
        self.hosts = SimulatedCluster(self._recording, count)

    def answer(self, host: Simulated, request: dict[str, Any]) -> bytes:
        """What a host prints."""
        changed = self._path.stat().st_mtime_ns if self._path.exists() else 0
        if changed != self._read:
            noted = json.loads(self._path.read_text())
            self.hosts = SimulatedCluster(self._recording, self._count, noted["name"], noted["identity"], noted["notes"])
            self._read = changed
        return answer_of(self.hosts)(host, request)


def main() -> int:
    """Serve until standard input ends."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--work", type=Path, required=True, help=f"holds id_ed25519.pub, and {NOTES} when there are notes")
    options.add_argument("--hosts", type=int, required=True)
    options.add_argument("--seconds", type=float, default=ANSWER_SECONDS, help="that a host takes for its answer")
    chosen = options.parse_args()
    kind, text = (chosen.work / "id_ed25519.pub").read_text().split()[:2]
    noted = Noted(chosen.work, chosen.hosts)
    server = SshServer(noted.hosts, paramiko.PKey.from_type_string(kind, base64.b64decode(text)), noted.answer, seed=text,
                       think_seconds=chosen.seconds)
    print(server.port, flush=True)
    sys.stdin.read()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
