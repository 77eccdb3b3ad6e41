"""Changes of version: where there are some, and those that are known to lose data or to fail, which are refused. Pure functions.

What the releases of one component allow stands in its row. For all of them an older program need not read what a newer one has
written (ZooKeeper's snapshots, Marathon's and Chronos' state after its migration, Mesos' replicated log, Consul's raft store).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS, component
from provisioner.components.model import Versions
from provisioner.errors import StepFailed
from provisioner.observe.observation import Observation

#: A Debian epoch, then the numbers that people call the version.
_NUMBERS = re.compile(r"(?:\d+:)?v?(\d+(?:\.\d+)*)")

Version = tuple[int, ...]


@dataclass(frozen=True)
class Move:
    """A component that runs in one version on a host and is to run in another."""

    running: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.running} → {self.wanted}"


#: What moves, by component and host.
Moves = Mapping[str, Mapping[str, Move]]


def numbers(text: str) -> Version:
    """`1:9.5.6+standin` → (9, 5, 6); empty for a word such as `distribution`."""
    found = _NUMBERS.match(text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def moves(cluster: Cluster, seen: Observation, wanted: Mapping[str, str], locked: Mapping[str, Mapping[str, str]] | None = None) -> Moves:
    """Where a version changes; `wanted` is the version of each role, and `locked`, by host and role, that which a lock names instead.

    Only numbers that both sides name are compared.
    """
    found: dict[str, dict[str, Move]] = {}
    for each in COMPONENTS:
        for host in cluster.members(each.name):
            goal = (locked or {}).get(host.name, {}).get(each.role) or wanted.get(each.role, "")
            running = str((seen.health(host.name, each.name) or {}).get("version", ""))
            before, after = _comparable(running, goal)
            if before != after:
                found.setdefault(each.name, {})[host.name] = Move(running, goal)
    return found


def refuse_bad_changes(moving: Moves) -> None:
    """StepFailed when a host runs a version from which the wanted one must not be reached in one go."""
    found = [f"{host}: {component(name).title} runs {move.running}, {move.wanted} is asked for: {why}"
             for name, hosts in moving.items() for host, move in hosts.items() if (why := _why(component(name).versions, move))]
    if found:
        raise StepFailed("nothing was changed, because of versions:\n" + "\n".join(found),
                         hint="name another one in cluster_versions; or 'provision backup', then --any-version")


def _comparable(running: str, goal: str) -> tuple[Version, Version]:
    before, after = numbers(running), numbers(goal)
    known = min(len(before), len(after))
    return before[:known], after[:known]


def _why(rules: Versions, move: Move) -> str:
    """What speaks against it."""
    running, goal = _comparable(move.running, move.wanted)
    if goal < running:
        return "an older version need not read what a newer one has written"
    first = rules.way_into.get(goal[0], ()) if goal[:1] > running[:1] else ()
    if numbers(move.running) < first:
        return f"{goal[0]}.x is reached from {'.'.join(map(str, first))} or newer only"
    most = rules.minors_at_once
    if most and len(goal) > 1 and goal[0] == running[0] and goal[1] - running[1] > most:
        return f"at most {most} minor {'release' if most == 1 else 'releases'} at a time: {goal[0]}.{running[1] + most} is next"
    return ""
