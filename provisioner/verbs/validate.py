"""`provision validate`: the inventory alone, offline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cluster.names import counted

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """`validate` has none of its own."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(context: Context, console: Console, options: Options) -> int:
    """Say what the inventory describes. Raises InventoryError that lists everything that is wrong."""
    from provisioner.cluster.names import host_list
    from provisioner.components import AGENT, QUORUMS
    from provisioner.hosts import offline
    from provisioner.inventory.addresses import HINT
    from provisioner.inventory.find import namesakes
    from provisioner.inventory.schema import load_schema
    from provisioner.inventory.sources import without

    cluster = context.written
    names = context.doubts()  # before anything is printed: rendering finds what only the whole shows
    for warning in (*context.warnings, *offline.check(cluster), *without(cluster, context.catalogue), *names):
        console.warn(warning)
    if names:
        console.warn(f"'up' needs an address for every host: {HINT}")
    if others := namesakes(context.path, cluster.name, default=cluster.name == load_schema().variables["cluster_name"].default):
        console.warn(f"cluster_name {cluster.name} also stands in {host_list(others)}: state is kept under it; give each cluster its own")
    groups = ", ".join(f"{len(cluster.members(g))} {g}" for g in (*QUORUMS.values(), AGENT.name))
    console.write(f"{context.path}: valid: cluster {cluster.name}, {counted(len(cluster.hosts), 'host')} ({groups})\n")
    return 0
