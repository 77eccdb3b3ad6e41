"""`provision up`: build the cluster, or bring it to what the inventory says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.plan.scope import Scope
from provisioner.verbs.shared.arguments import add_json, add_scope, add_yes

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
Examples:
  provision up
  provision up --lab --yes
  provision up --only marathon --limit m1,m2
  provision plan --out plan.json && provision up --plan plan.json"""


@dataclass(frozen=True)
class Options(Scope):
    """The options of `up`; `plan` is a file that `plan --out` wrote."""

    plan: str | None = None
    yes: bool = False
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    add_scope(parser)
    parser.add_argument("--plan", metavar="FILE", help="do exactly what 'plan --out FILE' wrote, or nothing")
    add_yes(parser, "the first change")
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Do it; raises the error of the first thing that stops it."""
    from provisioner.verbs.shared.outcome import exit_code
    from provisioner.verbs.up.work import run_up

    result = run_up(context, console, options)
    if options.json:
        console.json(result.as_json())
    return exit_code(result)
