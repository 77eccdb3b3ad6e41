"""`provision plan`: what `up` would do, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.plan.scope import Scope
from provisioner.verbs.shared.arguments import add_json, add_scope

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
Examples:
  provision plan --diff
  provision plan --detailed-exitcode --out plan.json"""


@dataclass(frozen=True)
class Options(Scope):
    """The options of `plan`; `out` is the file to save it in."""

    diff: bool = False
    detailed_exitcode: bool = False
    out: str | None = None
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    add_scope(parser)
    parser.add_argument("--diff", action="store_true", help="also show changes to files, without secrets; takes as long as a run")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit 2 if there is something to do")
    parser.add_argument("--out", metavar="FILE", help="save the plan for 'up --plan FILE'")
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print the plan."""
    from provisioner.verbs.plan.work import run_plan

    return run_plan(context, console, options)
