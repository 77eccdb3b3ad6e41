"""`provision remove HOST …`: hosts leave the cluster and the inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.plan.scope import BATCH
from provisioner.verbs.shared.arguments import add_batch, add_yes_name

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
Examples:
  provision remove a7 a8
  provision remove m3 --lost --yes m3"""


@dataclass(frozen=True)
class Options:
    """The options of `remove`; `yes` are the hosts' names with spaces between them."""

    names: tuple[str, ...]
    lost: bool = False
    batch: str = BATCH
    yes: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("names", metavar="HOST", nargs="+", help="hosts of the inventory")
    parser.add_argument("--lost", action="store_true", help="hosts that do not answer are gone for good and never start again")
    add_batch(parser)
    add_yes_name(parser, what="the hosts' names, quoted", metavar="NAMES")


def run(context: Context, console: Console, options: Options) -> int:
    """Remove them, then bring the remaining cluster to its smaller inventory."""
    from provisioner.verbs.remove.work import run_remove
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_remove(context, console, options))
