"""`provision status`: leaders, members, problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.errors import UsageError
from provisioner.verbs.shared.arguments import add_json, words

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context

#: Seconds between two looks: an election takes longer.
OFTEN = 5.0
#: Below the first only the hosts would be busy, and beyond the last people forget that they watch.
SHORTEST, LONGEST = 1.0, 3600.0
EPILOG = """\
What is wrong comes first, with what to do next; then a line for each
component, whose members share a word where they are equal. All hosts are
asked, whatever is chosen to be shown, and the exit code speaks of all.

Examples:
  provision status --host a7
  provision status --watch --component marathon
  provision status --html /var/www/html/cluster.html --watch 60"""


@dataclass(frozen=True)
class Options:
    """The options of `status`. `watch` are seconds between two looks; `html` is a file."""

    all: bool = False
    component: tuple[str, ...] = ()
    host: tuple[str, ...] = ()
    watch: float | None = None
    html: str | None = None
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("--all", action="store_true", help="a row for each component on each host, with what it says of itself")
    parser.add_argument("--component", metavar="COMPONENT", action="extend", type=words, default=[],
                        help="show only these components, comma-separated (repeatable)")
    parser.add_argument("--host", metavar="HOST", action="extend", type=words, default=[],
                        help="show only these hosts, comma-separated, or ranges such as a1..a9 (repeatable)")
    parser.add_argument("--watch", metavar="SECONDS", nargs="?", const=OFTEN, type=_seconds,
                        help=f"look again and again (default every {OFTEN:g}) until Ctrl-C, which ends it with 0; "
                             "in a pipe a line for each change")
    parser.add_argument("--html", metavar="FILE", help="also write it as a page of one file, which may be put on any web server")
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print how the cluster is; 0 only if all of it is healthy."""
    from provisioner.verbs.status.work import run_status

    return run_status(context, console, options)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not SHORTEST <= found <= LONGEST:  # also of what is no number
        raise UsageError(f"--watch: {text!r} is not a number of seconds", hint=f"a number from {SHORTEST:g} to {LONGEST:g}")
    return found
