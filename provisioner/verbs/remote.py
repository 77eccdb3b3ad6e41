"""`provision ssh` and `provision run`: the hosts of the inventory by name, with its keys, users and jump hosts."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import host_list
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.hosts.failures import printable
from provisioner.hosts.host_keys import establish
from provisioner.hosts.login import cluster_options, environment, host_options, login
from provisioner.hosts.openssh import Completed, OpenSsh, Transport, fan_out, first_contact

if TYPE_CHECKING:
    from provisioner.console import Console

#: A command of the user's may take as long as it likes; a dead connection is noticed by SSH's own keep-alive.
RUN_SECONDS = 24 * 3600.0

Write = Callable[[str], None]


def ssh(cluster: Cluster, name: str, arguments: Sequence[str] = (), *, transport: Transport | None = None, say: Write | None = None) -> int:
    """Become an `ssh` to one host: a shell, or the command in `arguments`. Returns only by raising.

    The login is tried first, so that what goes wrong is explained; the connection is then reused.
    Raises UsageError for a host that is not in the inventory and UnreachableError.
    """
    host = _host(cluster, name)
    lost = establish(cluster, say=say or _console().say, hosts=[name])
    if lost:
        raise lost[name]
    (transport or OpenSsh(cluster)).run(host, "true")
    found = login(host, cluster)
    words = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    command = ["ssh", *cluster_options(cluster), *host_options(found), found.address, *words]
    os.execvpe("ssh", command, environment(found))  # noqa: S606 - this process ends here, there is no shell


def run(cluster: Cluster, command: str, names: Sequence[str] = (), *, become: bool = False, transport: Transport | None = None,
        write: Write | None = None, say: Write | None = None) -> int:
    """Run a shell command on all hosts (or those named) side by side.

    `write` gets every line as it comes, as `host | line` with its newline; `say` the summary. Returns 0, 4 when hosts could not
    be reached, else 5 when the command failed on one.
    """
    write, say = write or _console().write, say or _console().say
    hosts = [_host(cluster, name) for name in names] or list(cluster.hosts)
    way = transport or OpenSsh(cluster)
    lost = establish(cluster, say=say, hosts=[h.name for h in hosts])
    lost.update(first_contact(cluster, [h for h in hosts if h.name not in lost], way))
    width, lock = max(len(h.name) for h in hosts), threading.Lock()

    def one(host: Host) -> Completed:
        def line(text: bytes) -> None:
            with lock:  # lines of different hosts must not mix
                write(f"{host.name:<{width}} | {printable(text).rstrip()}\n")

        return way.run(host, command, become=become, timeout=RUN_SECONDS, line=line)

    answers: dict[str, Completed | UnreachableError] = {**fan_out((h for h in hosts if h.name not in lost), one), **lost}
    for text in summary({h.name: answers[h.name] for h in hosts}):
        say(text)
    return exit_code(answers)


def summary(answers: Mapping[str, Completed | UnreachableError]) -> list[str]:
    """Who could not be reached and where the command failed, one line each, then the counts."""
    lost = {name: a for name, a in answers.items() if isinstance(a, UnreachableError)}
    failed = {name: a.code for name, a in answers.items() if isinstance(a, Completed) and a.code}
    lines = [f"{name}: not reached: {error.message}" + (f"\n  → {error.hint}" if error.hint else "") for name, error in lost.items()]
    lines += [f"{name}: ended with {code}" for name, code in failed.items()]
    good = len(answers) - len(lost) - len(failed)
    return [*lines, f"{good} of {len(answers)} hosts ended well"]


def exit_code(answers: Mapping[str, Completed | UnreachableError]) -> int:
    """The worst of all: not reached before failed before well."""
    if any(isinstance(a, UnreachableError) for a in answers.values()):
        return UnreachableError.exit_code
    return StepFailed.exit_code if any(isinstance(a, Completed) and a.code for a in answers.values()) else 0


def _host(cluster: Cluster, name: str) -> Host:
    try:
        return cluster.host(name)
    except KeyError:
        raise UsageError(f"no host {name!r}", where=str(cluster.path),
                         hint=f"hosts: {host_list([h.name for h in cluster.hosts])}") from None


def _console() -> Console:
    from provisioner.console import Console

    return Console()
