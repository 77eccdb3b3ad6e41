"""`provision replace HOST`: a new machine takes the name and the place of one that is gone for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.plan.scope import BATCH
from provisioner.verbs.shared.arguments import add_batch, add_yes_name

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `replace`; `yes` is the host's name."""

    host: str
    batch: str = BATCH
    yes: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("host", metavar="HOST", help="the host whose machine is gone")
    add_batch(parser)
    add_yes_name(parser, what="the host's name")


def run(context: Context, console: Console, options: Options) -> int:
    """Trust the new machine and bring it up."""
    from provisioner.verbs.replace.work import run_replace
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_replace(context, console, options))
