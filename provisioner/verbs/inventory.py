"""`provision inventory`: what Ansible gets to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


EPILOG = """\
Example:
  provision inventory --json > rendered.json
  ansible -i rendered.json mesos_master -m ping"""


@dataclass(frozen=True)
class Options:
    """The options of `inventory`."""

    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One argument."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of YAML")


def run(context: Context, console: Console, options: Options) -> int:
    """Print the rendered inventory: the same bytes each time. Until `up` hands out the cluster's id, common_cluster_id is empty."""
    from provisioner.inventory.render import to_json, to_yaml

    console.write(to_json(context.shown) if options.json else to_yaml(context.shown))
    return 0
