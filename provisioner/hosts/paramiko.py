"""SSH without a process of its own, by paramiko: one question to each of many hosts, at a fraction of the cost of `ssh`.

Nothing stays open. What can't be begun this way, or breaks off, for whatever reason, is left to OpenSSH, whose words people know.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Collection

import paramiko

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UnreachableError
from provisioner.hosts.failures import become_failure, ssh_failure
from provisioner.hosts.known_hosts import KnownHosts
from provisioner.hosts.login import Login, login
from provisioner.hosts.openssh import MAX_OUTPUT, Completed, Transport, overdue, too_much
from provisioner.hosts.plain_login import user_of
from provisioner.hosts.process import CHUNK, OutputTooLargeError, killable
from provisioner.hosts.sudo import as_root

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what went wrong is in the error that is raised
#: How keys of a kind may be used to sign, where that is not the name of the kind; SHA-1 is not among it.
SIGNATURES = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
#: How often paramiko looks up from a silent host whether it is to go on. With its own tenth of a second, a quarter of the processor
#: time of a login went there when many hosts took their time.
LOOK_SECONDS = 1.0
#: What paramiko and the sockets under it raise when a connection does not come about, or ends.
BROKEN = (paramiko.SSHException, OSError, EOFError)


class Paramiko:
    """A Transport for one question to each host, which may reach it twice: it changes nothing.

    Hosts that are not in `plain` (see `ssh_plain`) are asked through `ssh`.
    """

    def __init__(self, cluster: Cluster, plain: Collection[str], ssh: Transport) -> None:
        self._cluster, self._ssh, self._known = cluster, ssh, KnownHosts.of(cluster)
        files = {host.name: login(host).key for host in cluster.hosts if host.name in plain}
        keys = {file: _read(file) for file in {*files.values()}}
        self._keys = {name: key for name, file in files.items() if (key := keys[file])}

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """See Transport."""
        if line or host.name not in self._keys:
            return self._ssh.run(host, command, stdin, become=become, timeout=timeout, line=line)
        found, began = login(host), time.monotonic()
        with _Visit() as visit, killable(visit):
            channel = self._begin(host, found, visit)
            if not channel:
                return self._ssh.run(host, command, stdin, become=become, timeout=timeout)
            sent = as_root(command, stdin, found.become_password, found.sudo) if become else (command, stdin)
            try:
                code, stdout, stderr = _converse(channel, *sent, began + timeout)
            except TimeoutError:
                raise overdue(host, found, timeout) from None
            except OutputTooLargeError:
                raise too_much(host, found) from None
            except BROKEN:
                visit.still_wanted(host)
                return self._ssh.run(host, command, stdin, become=become, timeout=timeout)
        wrong = become_failure(host, found, stderr) if become and code else None
        if wrong:
            raise wrong
        return Completed(code, stdout, stderr, time.monotonic() - began)

    def _begin(self, host: Host, found: Login, visit: _Visit) -> paramiko.Channel | None:
        """Somewhere to run a command; nothing where `ssh` is to try. Raises UnreachableError where it would only wait in vain as well."""
        began = time.monotonic()
        try:
            return self._enter(found, self._keys[host.name], visit)
        except (*BROKEN, ValueError):
            visit.still_wanted(host)
            if time.monotonic() - began >= found.connect_seconds:
                raise ssh_failure(host, found, b"Connection timed out") from None
            return None

    def _enter(self, found: Login, key: paramiko.PKey, visit: _Visit) -> paramiko.Channel:
        """Log in. The host must show the recorded key before anything is told to it."""
        known = {entry.kind: entry.key for entry in self._known.keys(found.known_as)}
        visit.reached = socket.create_connection((found.address, found.port), found.connect_seconds)
        transport = handshake(visit.reached, found.connect_seconds, [*known])
        shown = transport.get_remote_server_key()
        if known.get(shown.get_name()) != shown.get_base64():
            raise paramiko.SSHException("it showed another host key")
        answered = threading.Event()
        transport.auth_publickey(user_of(found), key, answered)
        answered.wait(found.connect_seconds)
        if not transport.is_authenticated():
            raise paramiko.SSHException("the key alone does not open it")
        return transport.open_session(timeout=found.connect_seconds)


def handshake(channel: socket.socket, timeout: float, kinds: Collection[str] = ()) -> paramiko.Transport:
    """The beginning of a connection: from here on the host's key can be asked, of one of the given kinds if any.

    It ends with `shut`. Raises SSHException, OSError or EOFError; the connection is shut then.
    """
    transport, begun = paramiko.Transport(channel), threading.Event()
    channel.settimeout(LOOK_SECONDS)
    transport.banner_timeout = transport.handshake_timeout = timeout
    try:
        if kinds:
            transport.get_security_options().key_types = [name for kind in kinds for name in SIGNATURES.get(kind, (kind,))]
        transport.start_client(begun)
        if not begun.wait(timeout) or not transport.is_active():
            raise transport.get_exception() or paramiko.SSHException("no answer in time")
    except BaseException:
        shut(channel)
        raise
    return transport


def shut(channel: socket.socket) -> None:
    """End a connection: paramiko's thread is woken, ends everything that waits for the host, and closes the socket."""
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def _read(file: str) -> paramiko.PKey | None:
    """A private key; nothing where it has a passphrase or is of a kind that only OpenSSH knows."""
    try:
        return paramiko.PKey.from_path(file)
    except Exception:  # many kinds of files, as many errors
        return None


class _Visit:
    """What is open of one question; another thread may end it."""

    def __init__(self) -> None:
        self.reached: socket.socket | None = None
        self.given_up = False

    def __enter__(self) -> _Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def still_wanted(self, host: Host) -> None:
        """Raises UnreachableError when another thread has ended it."""
        if self.given_up:
            raise UnreachableError("nobody waits for it any more", where=host.name)

    def kill(self) -> None:
        """End the connection; whoever reads from it is told."""
        self.given_up = True
        if self.reached:
            shut(self.reached)


def _converse(channel: paramiko.Channel, command: str, stdin: bytes, deadline: float) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a command. Raises TimeoutError at the deadline, OutputTooLargeError after MAX_OUTPUT bytes."""
    stdout, stderr = bytearray(), bytearray()
    channel.settimeout(max(0.0, deadline - time.monotonic()))
    channel.exec_command(command)
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:
        pass  # the command ended early; its exit code and stderr say why
    for taken, receive in ((stdout, channel.recv), (stderr, channel.recv_stderr)):
        while data := receive(CHUNK):
            taken += data
            if len(taken) > MAX_OUTPUT:
                raise OutputTooLargeError
            channel.settimeout(max(0.0, deadline - time.monotonic()))
    if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
        raise TimeoutError
    if channel.exit_status < 0:
        raise EOFError("no exit code came")
    return channel.exit_status, bytes(stdout), bytes(stderr)
