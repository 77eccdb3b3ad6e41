"""`provision restore FILE`: what a backup holds goes back into a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_yes_name

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
To rebuild a lost cluster on fresh hosts:
  provision restore --identity FILE && provision up && provision restore FILE"""


@dataclass(frozen=True)
class Options:
    """The options of `restore`; `yes` is the cluster's name."""

    file: str
    identity: bool = False
    yes: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("file", metavar="FILE", help="a file that 'provision backup' wrote")
    parser.add_argument("--identity", action="store_true", help="restore only ledger and secrets, before 'up' rebuilds the cluster")
    add_yes_name(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Put it back."""
    from provisioner.verbs.backup.work import run_restore

    run_restore(context, console, options)
    return 0
