"""`provision init`: an annotated inventory to start from."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console


EPILOG = """\
Example:
  provision init mycluster && $EDITOR mycluster/inventory.yml"""


@dataclass(frozen=True)
class Options:
    """The options of `init`: where to write it."""

    directory: str = "."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One argument."""
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR", help="where to write it (default: here)")


def run(console: Console, options: Options) -> int:
    """Write it. Raises UsageError where there is one already."""
    from provisioner.inventory.starter import write_inventory

    path = write_inventory(Path(options.directory))
    name = shlex.quote(str(path))
    console.say(f"wrote {path}\nNext: add your hosts, then 'provision validate --hosts {name}' and 'provision up --hosts {name}'.")
    return 0
