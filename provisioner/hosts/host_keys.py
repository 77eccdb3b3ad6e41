"""Host keys: always checked. A new host's key is shown and recorded on first contact; a changed one is refused by ssh."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import host_list
from provisioner.errors import UnreachableError
from provisioner.hosts.failures import ssh_failure
from provisioner.hosts.known_hosts import KnownHosts, fingerprint, record
from provisioner.hosts.login import login
from provisioner.hosts.openssh import fan_out
from provisioner.hosts.route import NoRouteError, Route, route_to

if TYPE_CHECKING:
    import paramiko


@dataclass(frozen=True)
class HostKey:
    """The key that a host showed: the names ssh will look it up by, its kind and itself in base64."""

    names: tuple[str, ...]
    kind: str
    key: str

    @property
    def line(self) -> str:
        """Its line in known_hosts."""
        return f"{','.join(self.names)} {self.kind} {self.key}"


def all_known(cluster: Cluster) -> bool:
    """Whether the key of every host is recorded."""
    known = KnownHosts.of(cluster)
    return all(known.knows(login(h).known_as) for h in cluster.hosts if not h.local)


def establish(cluster: Cluster, *, say: Callable[[str], None], strict: bool = False,
              hosts: Collection[str] = ()) -> dict[str, UnreachableError]:
    """Make sure that every host (or those named) can be checked by its key, before anything is sent to it.

    Only hosts without a recorded key are contacted; `say` gets one line with the SHA256 fingerprint of each new key.
    Returns the hosts that showed no key. With `strict` new keys are not accepted: raises UnreachableError that names them.
    """
    known = KnownHosts.of(cluster)
    asked = [h for h in cluster.hosts if not h.local and (not hosts or h.name in hosts)]
    missing = [h for h in asked if not known.knows(login(h).known_as)]
    if strict and missing:
        raise UnreachableError(
            f"the host keys of {host_list([h.name for h in missing])} are not known", where=str(known.path),
            hint="add them to that file (as ssh-keyscan prints them, once you have compared the fingerprints), or go on without --strict",
        )
    answers = fan_out(missing, scan)
    found = {name: key for name, key in answers.items() if isinstance(key, HostKey)}
    if found:
        record(cluster, [key.line for key in found.values()])
    for name, key in found.items():
        say(f"{name}: new host key {fingerprint(key.key)} ({key.kind}), trusted from now on")
    return {name: error for name, error in answers.items() if isinstance(error, UnreachableError)}


def scan(host: Host) -> HostKey:
    """Fetch a host's key without logging in, through its jump host where it has one. Raises SshError."""
    found = login(host)
    try:
        route = route_to(found)
    except NoRouteError as error:
        raise ssh_failure(host, found, str(error).encode()) from None
    try:
        with _channel(route, found.connect_seconds) as (channel, carrier):
            key = _greet(channel, carrier, found.connect_seconds)
    except _SilentError as error:
        raise ssh_failure(host, found, str(error).encode(), route) from None
    return HostKey(tuple(dict.fromkeys((found.known_as, route.known_as))), key.get_name(), key.get_base64())


class _SilentError(Exception):
    """No key came; the text is in the words that ssh has for it."""


@contextlib.contextmanager
def _channel(route: Route, timeout: float) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes] | None]]:
    """A connection to the host, with the program that carries it where there is one."""
    if route.through:
        near, far = socket.socketpair()  # unlike a pair of pipes it tells at once when the program has ended
        with subprocess.Popen(["sh", "-c", route.through], stdin=far.fileno(), stdout=far.fileno(), stderr=subprocess.PIPE) as carrier:
            far.close()
            try:
                yield near, carrier
            finally:
                near.close()
                carrier.kill()
        return
    try:
        with socket.create_connection((route.address, route.port), timeout=timeout) as direct:
            yield direct, None
    except socket.gaierror:
        raise _SilentError("Could not resolve hostname") from None
    except TimeoutError:
        raise _SilentError("Connection timed out") from None
    except OSError as error:
        raise _SilentError(str(error)) from None


def _greet(channel: socket.socket, carrier: subprocess.Popen[bytes] | None, timeout: float) -> paramiko.PKey:
    # Costs a quarter of a second, and only hosts without a known key need it.
    import paramiko

    from provisioner.hosts.paramiko import handshake, shut

    try:
        transport = handshake(channel, timeout)
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise _SilentError(f"{_words(carrier)}kex_exchange_identification: no SSH server answers there ({error})") from None
    try:
        return transport.get_remote_server_key()
    finally:
        shut(channel)


def _words(carrier: subprocess.Popen[bytes] | None) -> str:
    """What the program that carries the bytes said: it knows more than the connection that broke."""
    if carrier is None or carrier.stderr is None:
        return ""
    carrier.kill()
    return carrier.stderr.read().decode("utf-8", "replace") + "\n"
