"""`provision undrain HOST`: let a drained agent accept tasks again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `undrain`."""

    host: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("host", metavar="HOST", help="a drained agent")


def run(context: Context, console: Console, options: Options) -> int:
    """Let it accept tasks again."""
    from provisioner.verbs.drain.work import run_undrain
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_undrain(context, console, options))
