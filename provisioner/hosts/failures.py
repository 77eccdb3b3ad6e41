"""What ssh and sudo said, turned into a cause and what to do about it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Literal

from provisioner.cluster.model import Host
from provisioner.errors import UnreachableError
from provisioner.hosts.login import Login
from provisioner.hosts.route import NoRouteError, Route, complaint, route_to
from provisioner.inventory.connection import ARGUMENTS

Cause = Literal["name", "refused", "timeout", "route", "closed", "auth", "host-key-changed", "host-key-unknown", "algorithm",
                "key-file", "configuration", "sudo", "python", "output", "other"]


class SshError(UnreachableError):
    """A host that could not be entered, or on which nothing can be done. `cause` is for programs, the text for people."""

    def __init__(self, cause: Cause, message: str, *, where: str = "", hint: str = "") -> None:
        self.cause = cause
        super().__init__(message, where=where, hint=hint)


@dataclass(frozen=True)
class _Rule:
    """`pattern` in what was printed means `cause`; texts may use {address}, {port}, {user}, {name}, {told}
    (where the inventory tells ssh what to do) and {said}, the matched line."""

    pattern: str
    cause: Cause
    message: str
    hint: str


_SSH = (
    _Rule(r"Could not resolve hostname", "name", "the name {address} can't be resolved",
          "set ansible_host of {name} to an IP address, or mend the DNS of this machine"),
    _Rule(r"Connection refused", "refused", "nothing listens on port {port} of {address}",
          "start sshd there, or set ansible_port if it listens elsewhere"),
    _Rule(r"(Connection|Operation) timed out|Timeout, server .* not responding|timed out during banner exchange", "timeout",
          "{address} does not answer on port {port}",
          "is the host up, is ansible_host right, does a firewall between here and there allow it?"),
    _Rule(r"No route to host|Network is unreachable|Host is down", "route", "there is no way to {address}: {said}",
          "is the host up? Otherwise look at the routes of this machine, or go through a jump host (ansible_ssh_common_args: -J …)"),
    _Rule(r"UNPROTECTED PRIVATE KEY FILE", "key-file", "the private key can be read by others, so ssh does not use it",
          "chmod 600 on the file that ansible_ssh_private_key_file names"),
    _Rule(r"Load key .*|Identity file .* not accessible.*", "key-file", "the private key can't be used: {said}",
          "look at ansible_ssh_private_key_file; a key with a passphrase must be in ssh-agent"),
    _Rule(r"Too many authentication failures", "auth", "the host refused all keys that were offered for {user}",
          "name the one right key with ansible_ssh_private_key_file"),
    _Rule(r"Permission denied \(.*\)", "auth", "the host refused the login of {user}: {said}",
          "look at ansible_user, ansible_ssh_private_key_file and ansible_password; the brackets list what the host accepts"),
    _Rule(r"not permitted to log in yet|System is (going down|booting up)|This account is currently not available|account has expired",
          "auth", "the host lets nobody in now: {said}", "wait until it has started, or mend the account"),
    _Rule(r"no matching (host key type|key exchange method|cipher|MAC) found.*", "algorithm", "no common algorithm: {said}",
          "renew sshd on the host, or allow its algorithms for it in ~/.ssh/config"),
    _Rule(r"Host key verification failed", "host-key-unknown", "its host key is not known",
          "'provision preflight' shows and records keys of new hosts; with --strict they must be in known_hosts before"),
    _Rule(r".*(Bad configuration option|Bad owner or permissions|unknown option|terminating, .* bad configuration|^command-line:? line|"
          r"Can't open user config file|Cannot specify -J with ProxyCommand|Invalid -J argument|Bad -o option|^unsupported option).*",
          "configuration", "ssh does not take what it is told: {said}", "look at {told}"),
    _Rule(r"(Connection (closed|reset) by|kex_exchange_identification|Broken pipe|client_loop: send disconnect).*", "closed",
          "the connection was closed: {said}",
          "is sshd at its limit (MaxStartups), are logins banned after failures, does the jump host let us through?"),
)
_SUDO = (
    _Rule(r"sudo: a password is required|sudo: a terminal is required", "sudo", "sudo asks {user} for a password",
          "set ansible_become_password (in a vault file), or allow sudo without one: '{user} ALL=(ALL) NOPASSWD: ALL'"),
    _Rule(r"incorrect password attempt|Sorry, try again", "sudo", "sudo refused the password of {user}",
          "look at ansible_become_password; it was tried once only, so that no account gets locked"),
    _Rule(r"is not in the sudoers file|may not run sudo|is not allowed to (execute|run sudo)", "sudo", "{user} may not use sudo",
          "allow it in /etc/sudoers.d: '{user} ALL=(ALL) NOPASSWD: ALL', or log in as root (ansible_user: root)"),
    _Rule(r"you must have a tty", "sudo", "sudo wants a terminal", "remove 'requiretty' from /etc/sudoers on the host"),
    _Rule(r"sudo: (command )?not found|sudo: No such file", "sudo", "sudo is not installed",
          "install sudo on the host, or log in as root (ansible_user: root)"),
    _Rule(r"sudo: (effective uid is not 0|.*must be (owned by uid 0|setuid)|unable to initialize PAM|parse error).*", "sudo",
          "sudo does not work: {said}", "mend sudo on the host"),
)
_CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
#: What ssh says when a connection ended before the host itself answered, and of that what is only the end of it.
_ON_THE_WAY = r"kex_exchange_identification|ssh_exchange_identification|stdio forwarding failed|UNKNOWN port|banner exchange"
_CONSEQUENCE = rf"{_ON_THE_WAY}|^Warning: Permanently added|^\*\*|^debug[0-9]"
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SENT = re.compile(r"sent by the remote host is\s+(\S+?)\.?\s")


def changed_key(stderr: bytes) -> str:
    """The fingerprint of the key that a host sent instead of the known one; '' when that is not what went wrong with the host itself."""
    text = printable(stderr)
    sent = _SENT.search(text)
    return (sent.group(1) if sent else "an unnamed key") if _CHANGED in text and not re.search(_ON_THE_WAY, text) else ""


def began_nothing(stderr: bytes) -> bool:
    """Whether the connection did not come about, so that nothing was done on the host and trying again is safe."""
    return bool(re.search(r"ssh: connect to host |timed out during banner exchange|kex_exchange_identification|Could not resolve",
                          printable(stderr)))


def ssh_failure(host: Host, found: Login, stderr: bytes, route: Route | None = None) -> SshError:
    """What ssh's exit code 255 means, apart from a changed host key. `route` is the way to the host; ssh is asked for it if need be."""
    # A shared connection that died is only tried first: ssh goes on with a new one, whose failure is the one that counts.
    text = "\n".join(line for line in printable(stderr).splitlines() if not line.startswith(("mux_client", "ControlSocket")))
    if re.search(_ON_THE_WAY, text):
        with contextlib.suppress(NoRouteError):
            route = route or route_to(found)
            if route.through:
                return _stopped(host, found, text, route)
    rule, said = _first(_SSH, text)
    if rule:
        return _error(rule, host, found, said)
    last = text.strip().splitlines()[-1:] or ["ssh said nothing"]
    return SshError("other", f"ssh failed: {last[0]}", where=_where(host, found), hint=f"try it by hand: ssh {found.address}")


def _stopped(host: Host, found: Login, text: str, route: Route) -> SshError:
    """A connection that ended on its way through somebody else, who said why, or nothing."""
    said = _reasons(text)
    if not said:  # with shared connections ssh throws away what such a program says
        said = _reasons(printable(complaint(route, found.connect_seconds)))
    if _CHANGED in said:
        said = "its host key has changed"
    hint = f"try the way by hand: {route.through}"
    if "Host key verification failed" in said:
        hint = f"host keys of jump hosts are looked up in ~/.ssh/known_hosts: log in to {route.by} once by hand"
    elif not said and " -q" in route.through:
        hint += ", without -q, which keeps it from saying why"
    return failure("closed", host, found, f"no connection through {route.by}: {said or 'it closed the connection without a word'}", hint)


def _reasons(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip() and not re.search(_CONSEQUENCE, line))


def become_failure(host: Host, found: Login, stderr: bytes) -> SshError | None:
    """What kept sudo from running a command, or nothing when the command itself failed."""
    rule, said = _first(_SUDO, printable(stderr))
    return _error(rule, host, found, said) if rule else None


def failure(cause: Cause, host: Host, found: Login, message: str, hint: str = "") -> SshError:
    """An error about one host."""
    return SshError(cause, message, where=_where(host, found), hint=hint)


def printable(said: bytes) -> str:
    """Text of a host without colours and control characters, which could rewrite the terminal it is shown on."""
    text = _COLOUR.sub("", said.decode("utf-8", "replace").replace("\r\n", "\n").replace("\t", "    "))
    return "".join(c if c == "\n" or c.isprintable() else "�" for c in text)


def _first(rules: tuple[_Rule, ...], text: str) -> tuple[_Rule | None, str]:
    for rule in rules:
        match = re.search(rule.pattern, text)
        if match:
            return rule, match.group(0).strip()
    return None, ""


def _error(rule: _Rule, host: Host, found: Login, said: str) -> SshError:
    told = " and ".join(name for name in ARGUMENTS if host.variables.get(name))
    words = {"address": found.address, "port": found.port, "user": found.user or "this user", "name": host.name, "said": said,
             "told": f"{told} of {host.name}" if told else "~/.ssh/config"}
    return SshError(rule.cause, rule.message.format(**words), where=_where(host, found), hint=rule.hint.format(**words))


def _where(host: Host, found: Login) -> str:
    place = found.address if found.port == 22 else f"{found.address}, port {found.port}"
    return host.name if host.name == place else f"{host.name} ({place})"
