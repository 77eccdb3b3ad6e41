"""Host keys: always checked. A new host's key is shown and recorded on first contact; a changed one is refused by ssh."""

from __future__ import annotations

import contextlib
import shlex
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import host_list
from provisioner.errors import UnreachableError, UsageError
from provisioner.hosts.failures import SshError, failure, printable, ssh_failure
from provisioner.hosts.known_hosts import KnownHosts, fingerprint, record
from provisioner.hosts.login import CONNECT_SECONDS, Login, cluster_options, host_options, login
from provisioner.hosts.openssh import fan_out

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


@dataclass(frozen=True)
class Route:
    """Where ssh really connects to for a host, by its own configuration; `through` is a command that carries the bytes."""

    address: str
    port: int
    alias: str
    through: str


def all_known(cluster: Cluster) -> bool:
    """Whether the key of every host is recorded."""
    known = KnownHosts.of(cluster)
    return all(known.knows(login(h).known_as) for h in cluster.hosts)


def establish(cluster: Cluster, *, say: Callable[[str], None], strict: bool = False,
              hosts: Collection[str] = ()) -> dict[str, UnreachableError]:
    """Make sure that every host (or those named) can be checked by its key, before anything is sent to it.

    Only hosts without a recorded key are contacted; `say` gets one line with the SHA256 fingerprint of each new key.
    Returns the hosts that showed no key. With `strict` new keys are not accepted: raises UnreachableError that names them.
    """
    known = KnownHosts.of(cluster)
    asked = [h for h in cluster.hosts if not hosts or h.name in hosts]
    missing = [h for h in asked if not known.knows(login(h).known_as)]
    if strict and missing:
        raise UnreachableError(
            f"the host keys of {host_list([h.name for h in missing])} are not known", where=str(known.path),
            hint="add them to that file (as ssh-keyscan prints them, once you have compared the fingerprints), or go on without --strict",
        )
    answers = fan_out(missing, lambda host: scan(host, cluster))
    found = {name: key for name, key in answers.items() if isinstance(key, HostKey)}
    if found:
        record(cluster, [key.line for key in found.values()])
    for name, key in found.items():
        say(f"{name}: new host key {fingerprint(key.key)} ({key.kind}), trusted from now on")
    return {name: error for name, error in answers.items() if isinstance(error, UnreachableError)}


def scan(host: Host, cluster: Cluster) -> HostKey:
    """Fetch a host's key without logging in, through its jump host where it has one. Raises SshError."""
    found = login(host)
    route = route_to(found, cluster)
    try:
        with _channel(route) as (channel, carrier):
            key = _greet(channel, carrier)
    except _SilentError as error:
        raise _no_key(host, found, route, str(error)) from None
    names = dict.fromkeys((found.known_as, route.alias or _known_as(route)))
    return HostKey(tuple(names), key.get_name(), key.get_base64())


def route_to(found: Login, cluster: Cluster) -> Route:
    """Ask ssh itself, so that ~/.ssh/config and the host's extra arguments count. Raises UsageError when ssh can't say."""
    command = ["ssh", "-G", *cluster_options(cluster), *host_options(found), found.address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CONNECT_SECONDS, check=True)
    except FileNotFoundError:
        raise UsageError("ssh can't be started: no such program", hint="install the OpenSSH client on this machine") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"ssh does not accept its configuration: {str(error.stderr or error).strip()}", where="ssh -G",
                         hint="look at ~/.ssh/config and at ansible_ssh_common_args") from None
    return read_route(done.stdout, config_of(found.extra))


def config_of(extra: Sequence[str]) -> str:
    """The configuration file that the extra arguments name with -F; ssh hands it on to the ssh that reaches a jump host."""
    for number, word in enumerate(extra):
        if word.startswith("-F"):
            return word[2:] or "".join(extra[number + 1:number + 2])
    return ""


def read_route(settings: str, config: str = "") -> Route:
    """The route in what `ssh -G` prints."""
    values = {name: value for name, _, value in (line.partition(" ") for line in settings.splitlines())}
    address, port = values["hostname"], int(values["port"])
    jump, proxy = values.get("proxyjump", "none"), values.get("proxycommand", "none")
    through = ""
    if jump != "none":
        through = _jump(jump, address, port, config)
    elif proxy != "none":
        tokens = {"%%": "%", "%h": address, "%n": address, "%p": str(port), "%r": values.get("user", "")}
        for token, text in tokens.items():
            proxy = proxy.replace(token, text)
        through = f"exec {proxy}"
    alias = values.get("hostkeyalias", "none")
    return Route(address, port, "" if alias == "none" else alias, through)


def _jump(hops: str, address: str, port: int, config: str) -> str:
    """The command that a ProxyJump stands for: the last hop forwards, the others are jumped through on the way."""
    *before, last = hops.split(",")
    destination = last if last.startswith("ssh://") else f"ssh://{last}"  # the form that may hold a port and brackets
    earlier = ["-J", ",".join(before)] if before else []
    return shlex.join(["ssh", *(("-F", config) if config else ()), "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_SECONDS}",
                       *earlier, "-W", f"[{address}]:{port}", destination])


class _SilentError(Exception):
    """No key came; the text is in the words that ssh has for it."""


@contextlib.contextmanager
def _channel(route: Route) -> Iterator[tuple[socket.socket, subprocess.Popen[bytes] | None]]:
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
        with socket.create_connection((route.address, route.port), timeout=CONNECT_SECONDS) as direct:
            yield direct, None
    except socket.gaierror:
        raise _SilentError("Could not resolve hostname") from None
    except TimeoutError:
        raise _SilentError("Connection timed out") from None
    except OSError as error:
        raise _SilentError(str(error)) from None


def _greet(channel: socket.socket, carrier: subprocess.Popen[bytes] | None) -> paramiko.PKey:
    # Costs a quarter of a second, and only hosts without a known key need it.
    import paramiko

    from provisioner.hosts.paramiko import handshake, shut

    try:
        transport = handshake(channel, CONNECT_SECONDS)
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise _SilentError(_last_words(carrier) or f"kex_exchange_identification: no SSH server answers there ({error})") from None
    try:
        return transport.get_remote_server_key()
    finally:
        shut(channel)


def _last_words(carrier: subprocess.Popen[bytes] | None) -> str:
    """What the program that carries the bytes said: it knows more than the connection that broke."""
    if carrier is None or carrier.stderr is None:
        return ""
    carrier.kill()
    lines = printable(carrier.stderr.read()).strip().splitlines()
    return lines[-1] if lines else ""


def _no_key(host: Host, found: Login, route: Route, said: str) -> SshError:
    if route.through:
        return failure("closed", host, found, f"no answer through its jump host: {said}", f"try the way by hand: {route.through}")
    return ssh_failure(host, found, said.encode())


def _known_as(route: Route) -> str:
    return route.address if route.port == 22 else f"[{route.address}]:{route.port}"
