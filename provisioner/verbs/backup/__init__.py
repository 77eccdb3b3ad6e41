"""`provision backup`: what the cluster keeps, in one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `backup`; without `out` it goes below the cluster's state folder, named after the time."""

    out: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("--out", metavar="FILE", help="where to write it (default: beside the cluster's ledger)")


def run(context: Context, console: Console, options: Options) -> int:
    """Save it; prints the file."""
    from provisioner.verbs.backup.work import run_backup

    console.write(f"{run_backup(context, console, options)}\n")
    return 0
