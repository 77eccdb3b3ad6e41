"""`provision unlock`: who holds the cluster's lock; with --break it is taken from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_yes_name

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
A lock ends by itself when its holder's process ends or its connection breaks.
Break it only if neither can happen."""


@dataclass(frozen=True)
class Options:
    """The options of `unlock`; `force` is --break."""

    force: bool = False
    yes: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Both arguments."""
    parser.add_argument("--break", action="store_true", dest="force", help="break the lock; asks for the cluster's name")
    add_yes_name(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Show the holders, and break the lock on demand. Raises UsageError when the name was not typed."""
    from functools import partial

    from provisioner.cluster.names import no_answer
    from provisioner.hosts.remote_process import HostProcess
    from provisioner.run.lock import unlock
    from provisioner.verbs.shared.confirm import confirm_by_name

    cluster = context.written
    hold = partial(HostProcess, cluster)
    holders, silent = unlock(cluster, hold, force=False)
    if silent:
        console.warn(f"{no_answer(silent)}: whether it is locked there is not known")
    for host, text in holders.items():
        console.write(f"{host}: {text}\n")
    if not holders:
        console.write("the cluster is not locked on the hosts that answer\n" if silent else "the cluster is not locked\n")
    elif options.force:
        confirm_by_name(options.yes, cluster.name, "The holder's command fails at its next step.")
        unlock(cluster, hold, force=True)
        console.write("lock broken; what its holder was doing may be half done: the next 'provision up' completes it\n")
    return 0
