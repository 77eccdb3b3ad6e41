"""`provision restart COMPONENT`: its units, in the order that users notice least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.plan.scope import BATCH
from provisioner.verbs.shared.arguments import add_batch, add_limit, add_yes

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
Examples:
  provision restart zookeeper
  provision restart mesos_agent --batch 2"""


@dataclass(frozen=True)
class Options:
    """The options of `restart`."""

    component: str
    limit: str | None = None
    batch: str = BATCH
    yes: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("component", metavar="COMPONENT", help="a component with a unit, such as zookeeper")
    add_limit(parser)
    add_batch(parser)
    add_yes(parser, "the first restart")


def run(context: Context, console: Console, options: Options) -> int:
    """Restart it, and prove after each host that it works again."""
    from provisioner.verbs.restart.work import run_restart
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_restart(context, console, options))
