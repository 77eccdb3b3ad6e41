"""The way to the hosts: the machine's own OpenSSH client, so there is one way of logging in for us and for Ansible."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import counted
from provisioner.errors import UnreachableError
from provisioner.hosts.failures import SshError, become_failure, began_nothing, changed_key, failure, ssh_failure
from provisioner.hosts.login import Login, cluster_options, environment, host_options, login, no_ssh
from provisioner.hosts.process import DeadlineError, OutputTooLargeError, kill_all, run_bounded
from provisioner.hosts.sudo import as_root

__all__ = ["Completed", "OpenSsh", "SshError", "Transport", "fan_out", "first_contact"]

#: Hosts asked at the same time. Most of a question is waiting for the other side.
PARALLEL = 32
#: Bytes that a host may send in one answer; more is a fault or an attack.
MAX_OUTPUT = 8 * 1024 * 1024
#: What ssh ends with when it failed itself.
SSH_FAILED = 255
#: Seconds before a connection is tried once more, at most.
PAUSE_MAX = 30
HUNG = "is the host overloaded, or does a disk or the network hang?"

T = TypeVar("T")


@dataclass(frozen=True)
class Completed:
    """A command that ran on a host to its end, well or not."""

    code: int
    stdout: bytes
    stderr: bytes
    seconds: float


class Transport(Protocol):
    """A way to run commands on hosts."""

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """Run a shell command and wait for its end; `become` runs it as root.

        With `line` each line of stdout and stderr is handed over as it comes, without its newline, and stdout is not kept.
        Raises UnreachableError when the host can't be entered, when root can't be had, or after `timeout` seconds.
        """


class OpenSsh:
    """A Transport through `ssh`, with one shared connection per host that stays open for a minute."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._options = cluster_options(cluster)

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """See Transport."""
        found = login(host)
        if become:
            command, stdin = as_root(command, stdin, found.become_password, found.sudo)
        words = [found.program, "-T", *self._options, *host_options(found), found.address, command]
        began = time.monotonic()
        for attempt in range(found.retries + 1):
            try:
                code, stdout, stderr = run_bounded(words, stdin, environment(found), timeout=timeout, limit=MAX_OUTPUT, line=line)
            except DeadlineError:
                raise overdue(host, found, timeout) from None
            except OutputTooLargeError:
                raise too_much(host, found) from None
            except OSError as error:
                raise no_ssh(found, error) from None
            if code != SSH_FAILED or attempt == found.retries or not began_nothing(stderr):
                break
            time.sleep(min(2**attempt - 1, PAUSE_MAX))  # as Ansible does
        self._judge(host, found, code, stderr, become)
        return Completed(code, stdout, stderr, time.monotonic() - began)

    def _judge(self, host: Host, found: Login, code: int, stderr: bytes, become: bool) -> None:
        if code == SSH_FAILED and stderr.strip():  # without a word it was the command's own exit code
            sent = changed_key(stderr)
            raise self._changed(host, found, sent) if sent else ssh_failure(host, found, stderr)
        wrong = become_failure(host, found, stderr) if become and code else None
        if wrong:
            raise wrong

    def _changed(self, host: Host, found: Login, sent: str) -> SshError:
        from provisioner.hosts.known_hosts import KnownHosts

        recorded = KnownHosts.of(self._cluster)
        known = ", ".join(recorded.fingerprints(found.known_as)) or "a key that is no longer recorded"
        return failure("host-key-changed", host, found, f"its host key has changed: known is {known}, it sent {sent}",
                       "if the host was installed anew, forget its old key: "
                       f"ssh-keygen -R '{found.known_as}' -f '{recorded.path}'; if it was not, somebody may be listening: do not go on")


def overdue(host: Host, found: Login, seconds: float) -> SshError:
    """A command that did not end in time."""
    return failure("timeout", host, found, f"no end of the command within {seconds:.0f} s", HUNG)


def too_much(host: Host, found: Login) -> SshError:
    """A host that sent more than MAX_OUTPUT."""
    return failure("output", host, found, f"it sent more than {MAX_OUTPUT >> 20} MiB in one answer")


def fan_out(hosts: Iterable[Host], function: Callable[[Host], T], limit: int = PARALLEL, *,
            patience: float | None = None) -> dict[str, T | UnreachableError]:
    """Apply a function to all hosts, at most `limit` at a time; a host that can't be reached gives its error.

    With `patience`, once most have answered, those of whom nobody answers for so many seconds are given up: a host that froze
    with its connection open would otherwise cost its whole time-out. Where all are slow, all are waited for.
    """

    def one(host: Host) -> T | UnreachableError:
        try:
            return function(host)
        except UnreachableError as error:
            return error

    asked = tuple(hosts)
    if not asked:
        return {}
    with ThreadPoolExecutor(max_workers=min(limit, len(asked))) as pool:
        try:
            answers = {host.name: pool.submit(one, host) for host in asked}
            late = _late([*answers.values()], limit, patience)
            return {name: UnreachableError(f"no answer {patience:g} s after the others", where=name, hint=HUNG) if answer in late
                    else answer.result() for name, answer in answers.items()}
        except BaseException:  # Ctrl-C, or a defect: nobody waits for what is still running
            pool.shutdown(wait=False, cancel_futures=True)
            kill_all()
            raise


def _late(answers: Sequence[Future[Any]], limit: int, patience: float | None) -> set[Future[Any]]:
    """Wait for all; gives those that were given up, whose children are ended. Raises what a defect raised."""
    waiting = set(answers)
    for done in as_completed(answers):
        done.result()
        waiting.discard(done)
        # Fewer than may run at a time: each of them has been asked.
        if patience is not None and len(waiting) <= limit and 2 * len(waiting) < len(answers):
            break
    while waiting:
        some, waiting = wait(waiting, timeout=patience, return_when=FIRST_COMPLETED)
        for answer in some:
            answer.result()
        if not some:
            kill_all()
            break
    return waiting


def first_contact(cluster: Cluster, hosts: Sequence[Host], transport: Transport) -> dict[str, UnreachableError]:
    """Log in to one host of each login, so that a wrong key or password is not tried on all hosts and locks no accounts.

    Hosts that don't answer say nothing about the login: then the next are tried, two, four and so on at a time. Their
    errors are returned, so that nobody waits for them again. Raises the SshError of a host that refused the login.
    """
    alike: dict[tuple[str, str, str], list[Host]] = defaultdict(list)
    for host in hosts:
        alike[login(host).identity].append(host)
    lost: dict[str, UnreachableError] = {}
    for group in alike.values():
        tried = 0
        while tried < len(group) and tried == len(lost.keys() & {h.name for h in group}):
            wave = group[tried: 2 * tried + 1]
            answers = fan_out(wave, lambda host: transport.run(host, "true"))
            lost.update({name: said for name, said in answers.items() if isinstance(said, UnreachableError)})
            tried += len(wave)
            for said in answers.values():
                if isinstance(said, SshError) and said.cause == "auth":
                    raise _stopped(said, len(group) - tried)
    return lost


def _stopped(error: SshError, others: int) -> SshError:
    if not others:
        return error
    untried = counted(others, "more host with this login was not tried", "more hosts with this login were not tried")
    hint = f"{error.hint}; {untried}, so that no account gets locked"
    return SshError(error.cause, error.message, where=error.where, hint=hint)
