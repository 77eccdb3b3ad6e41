"""`provision repair COMPONENT`: another framework for Marathon or Chronos, when Mesos has removed theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_yes_name

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `repair`; `yes` is the cluster's name."""

    component: str
    yes: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("component", metavar="COMPONENT", help="marathon or chronos")
    add_yes_name(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Have it register as a new framework."""
    from provisioner.verbs.repair.work import run_repair
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_repair(context, console, options))
