"""`provision upgrade`: new versions in their order, after a backup, with a pause where the operator wants one."""

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
Set the versions in the inventory (cluster_versions) first.
Examples:
  provision upgrade --pause-after zookeeper
  provision upgrade --only consul"""


@dataclass(frozen=True)
class Options(Scope):
    """The options of `upgrade`; `pause_after` is a component's name."""

    pause_after: str | None = None
    no_backup: bool = False
    yes: bool = False
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    add_scope(parser)
    parser.add_argument("--pause-after", metavar="COMPONENT", help="stop once this component is done; the same command continues")
    parser.add_argument("--no-backup", action="store_true", help="do not back up first")
    add_yes(parser, "the first change")
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Do it; the same command continues where an earlier one paused or was stopped."""
    from provisioner.verbs.shared.outcome import exit_code
    from provisioner.verbs.upgrade.work import run_upgrade

    result = run_upgrade(context, console, options)
    if options.json:
        console.json(result.as_json())
    return exit_code(result)
