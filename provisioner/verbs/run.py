"""`provision run COMMAND`: one shell command on all hosts, or on some, in parallel."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cluster.names import counted
from provisioner.errors import StepFailed, UnreachableError
from provisioner.verbs.shared.arguments import add_limit

if TYPE_CHECKING:
    import argparse

    from provisioner.cluster.model import Host
    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.hosts.openssh import Completed

EPILOG = """\
Examples:
  provision run uptime
  provision run --limit agents --sudo 'docker ps -q | wc -l'"""
#: A command of the user's may take as long as it likes; a dead connection is noticed by SSH's own keep-alive.
RUN_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Options:
    """The options of `run`; `text` is a shell command."""

    text: str
    limit: str | None = None
    sudo: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("text", metavar="COMMAND", help="a shell command, quoted")
    add_limit(parser)
    parser.add_argument("--sudo", action="store_true", help="run it as root")


def run(context: Context, console: Console, options: Options) -> int:
    """Print every line as it comes, as `host | line`, then a summary; 0, 4 if a host could not be reached, else 5 if the command failed
    on one."""
    from provisioner.hosts.failures import printable
    from provisioner.hosts.host_keys import establish
    from provisioner.hosts.openssh import fan_out, first_contact

    cluster, names = context.written, context.limited(options.limit)
    hosts = [host for host in cluster.hosts if not names or host.name in names]
    lost = establish(cluster, say=console.say, hosts=[h.name for h in hosts])
    lost.update(first_contact(cluster, [h for h in hosts if h.name not in lost], context.transport))
    width, lock = max(len(h.name) for h in hosts), threading.Lock()

    def one(host: Host) -> Completed:
        def line(text: bytes) -> None:
            with lock:  # lines of different hosts must not mix
                console.write(f"{host.name:<{width}} | {printable(text).rstrip()}\n")

        return context.transport.run(host, options.text, become=options.sudo, timeout=RUN_SECONDS, line=line)

    answers: dict[str, Completed | UnreachableError] = {**fan_out((h for h in hosts if h.name not in lost), one), **lost}
    for text in summary({h.name: answers[h.name] for h in hosts}):
        console.say(text)
    return exit_code(answers)


def summary(answers: Mapping[str, Completed | UnreachableError]) -> list[str]:
    """Which hosts could not be reached and where the command failed, one line each, then the counts."""
    lost = {name: a for name, a in answers.items() if isinstance(a, UnreachableError)}
    failed = {name: a.code for name, a in answers.items() if not isinstance(a, UnreachableError) and a.code}
    lines = [f"{name}: not reached: {error.message}" + (f"\n  → {error.hint}" if error.hint else "") for name, error in lost.items()]
    lines += [f"{name}: exit code {code}" for name, code in failed.items()]
    good = len(answers) - len(lost) - len(failed)
    return [*lines, f"{good} of {counted(len(answers), 'host')} succeeded"]


def exit_code(answers: Mapping[str, Completed | UnreachableError]) -> int:
    """The worst of all: not reached before failed before succeeded."""
    if any(isinstance(a, UnreachableError) for a in answers.values()):
        return UnreachableError.exit_code
    return StepFailed.exit_code if any(not isinstance(a, UnreachableError) and a.code for a in answers.values()) else 0
