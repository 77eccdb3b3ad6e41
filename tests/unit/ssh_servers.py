"""SSH servers on this machine that come up, stay silent or refuse as a test wants it; real ones for the real client."""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
from collections.abc import Mapping

import paramiko


class SshServer:
    """Listens from `start` on. Lets everybody in after `refusals` logins, and runs any command as if it were `true`, or `breaks` off.

    Whoever is in may go on to where `jumps` says: the address is looked up there, the port stays.
    """

    def __init__(self, *, refusals: int = 0, silent: bool = False, breaks: bool = False, jumps: Mapping[str, str] | None = None,
                 address: str = "127.0.0.1") -> None:
        self.refusals, self.silent, self.breaks, self.logins, self.jumps = refusals, silent, breaks, 0, jumps or {}
        self.key = paramiko.ECDSAKey.generate()
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._socket.bind((address, 0))
        self.port: int = self._socket.getsockname()[1]
        self._open: list[paramiko.Transport | socket.socket] = []

    def start(self) -> SshServer:
        """From now on it answers; before, the connection is refused."""
        self._socket.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def stop(self) -> None:
        """Closes every connection too, so that ssh's shared one does not outlive the test."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._socket.close()
        for each in self._open:
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            if self.silent:  # as a frozen host: the kernel takes the connection, and nothing comes
                self._open.append(client)
                continue
            transport = paramiko.Transport(client)
            transport.add_server_key(self.key)
            self._open.append(transport)
            threading.Thread(target=self._greet, args=(transport,), daemon=True).start()

    def _greet(self, transport: paramiko.Transport) -> None:
        door = _Door(self)
        try:
            transport.start_server(server=door)
        except (paramiko.SSHException, EOFError, OSError):
            return  # it only wanted the key
        kept = []  # a channel that nobody holds is closed
        while transport.is_active():
            channel = transport.accept(1)
            kept.append(channel)
            if channel and (far := door.far.get(channel.get_id())):
                for source, target in ((channel, far), (far, channel)):
                    threading.Thread(target=_carry, args=(source, target), daemon=True).start()


class _Door(paramiko.ServerInterface):
    def __init__(self, server: SshServer) -> None:
        self._server = server
        self.far: dict[int, socket.socket] = {}

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return self.check_auth_none(username)

    def check_auth_none(self, username: str) -> int:
        self._server.logins += 1
        late = self._server.logins <= self._server.refusals
        return paramiko.common.AUTH_FAILED if late else paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]) -> int:
        try:
            self.far[chanid] = socket.create_connection((self._server.jumps[destination[0]], destination[1]), 5)
        except (KeyError, OSError):
            return paramiko.common.OPEN_FAILED_CONNECT_FAILED
        self.far[chanid].settimeout(None)
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        end = channel.get_transport().close if self._server.breaks else functools.partial(_succeed, channel)
        threading.Timer(0.05, end).start()  # after the client has been told that its request is taken
        return True


def _carry(source: paramiko.Channel | socket.socket, target: paramiko.Channel | socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            target.sendall(data)
    source.close()
    target.close()


def _succeed(channel: paramiko.Channel) -> None:
    channel.send_exit_status(0)
    channel.close()
