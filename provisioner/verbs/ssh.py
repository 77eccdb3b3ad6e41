"""`provision ssh HOST`: a host of the inventory by its name, with its key, user and jump hosts."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioner.console import Console
    from provisioner.context import Context

EPILOG = """\
Examples:
  provision ssh m1
  provision ssh --lab default m1 journalctl -u zookeeper -n 20"""


@dataclass(frozen=True)
class Options:
    """The options of `ssh`; without `arguments` it opens a shell."""

    host: str
    arguments: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Both arguments."""
    parser.add_argument("host", metavar="HOST", help="a host of the inventory")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="COMMAND", help="run this instead of a shell")


def run(context: Context, console: Console, options: Options) -> int:
    """Become an `ssh` to the host, or a shell where the host is this machine. Returns only by raising.

    The login is tried first, so that what goes wrong is explained; the connection is then reused.
    Raises UsageError for a host that is not in the inventory and UnreachableError.
    """
    from provisioner.hosts.host_keys import establish
    from provisioner.hosts.login import cluster_options, environment, host_options, login

    cluster, host = context.written, context.host(options.host)
    lost = establish(cluster, say=console.say, hosts=[host.name])
    if lost:
        raise lost[host.name]
    context.transport.run(host, "true")
    words = options.arguments[1:] if options.arguments[:1] == ("--",) else options.arguments
    if host.local:
        from provisioner.hosts import local

        own = {**local.environment(), **({"TERM": os.environ["TERM"]} if "TERM" in os.environ else {})}
        inside = local.words(" ".join(words) if words else 'exec "$SHELL" -l')  # ssh joins its words too
        os.execvpe(inside[0], inside, own)  # noqa: S606 - this process ends here
    found = login(host)
    command = [found.program, *cluster_options(cluster), *host_options(found), found.address, *words]
    os.execvpe(found.program, command, environment(found))  # noqa: S606 - this process ends here, there is no shell
