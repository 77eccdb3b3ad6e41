"""`provision drain HOST`: take an agent out of service without losing work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `drain`."""

    host: str
    force: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("host", metavar="HOST", help="an agent")
    parser.add_argument("--force", action="store_true", help="drain even if the other agents lack resources for its tasks")


def run(context: Context, console: Console, options: Options) -> int:
    """Move its tasks to other agents."""
    from provisioner.verbs.drain.work import run_drain
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_drain(context, console, options))
