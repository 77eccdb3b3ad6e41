"""`provision reset`: everything of ours off every host."""

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
    """The options of `reset`; `yes` is the cluster's name."""

    data: bool = False
    lost: bool = False
    yes: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("--data", action="store_true", help="also delete what ZooKeeper, Consul, Mesos, Docker and Logstash have stored")
    parser.add_argument("--lost", action="store_true", help="leave hosts that do not answer as they are")
    add_yes_name(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Uninstall it."""
    from provisioner.verbs.reset.work import run_reset
    from provisioner.verbs.shared.outcome import exit_code

    return exit_code(run_reset(context, console, options))
