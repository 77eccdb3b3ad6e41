"""Changes of version that are known to lose data or to fail are refused before anything is touched. Pure functions.

Sources of the rules: Marathon's upgrade guide (no minor release may be skipped), Consul's upgrade instructions (at most two
minor releases at a time), and for all of them that an older program need not read what a newer one has written (ZooKeeper's
snapshots, Marathon's and Chronos' state after its migration, Mesos' replicated log, Consul's raft store).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provisioner.cluster import Cluster
from provisioner.components import COMPONENTS
from provisioner.errors import StepFailed
from provisioner.observe import Observation

#: How many minor releases of the same major one may go up at once, by role.
MINORS_AT_ONCE = {"marathon": 1, "consul": 2}
#: A Debian epoch, then the numbers that people call the version.
_NUMBERS = re.compile(r"(?:\d+:)?v?(\d+(?:\.\d+)*)")

Version = tuple[int, ...]


def numbers(text: str) -> Version:
    """`1:9.5.6+standin` → (9, 5, 6); empty for a word such as `distribution`."""
    found = _NUMBERS.match(text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def refuse_bad_changes(cluster: Cluster, seen: Observation, wanted: Mapping[str, str]) -> None:
    """StepFailed when a host runs a version from which the wanted one (by role) must not be reached in one go."""
    found = list(_bad(cluster, seen, wanted))
    if found:
        raise StepFailed("nothing was changed, because of versions:\n" + "\n".join(found),
                         hint="name another one in cluster_versions; or 'provision backup', then --any-version")


def _bad(cluster: Cluster, seen: Observation, wanted: Mapping[str, str]) -> Iterator[str]:
    for component in COMPONENTS:
        goal = numbers(wanted.get(component.role, ""))
        for host in cluster.members(component.name):
            running = str((seen.health(host.name, component.name) or {}).get("version", ""))
            why = _why(component.role, numbers(running), goal)
            if why:
                yield f"{host.name}: {component.title} runs {running}, {wanted[component.role]} is asked for: {why}"


def _why(role: str, running: Version, goal: Version) -> str:
    """What speaks against it; only numbers that both sides name are compared."""
    known = min(len(running), len(goal))
    if goal[:known] < running[:known]:
        return "an older version need not read what a newer one has written"
    most = MINORS_AT_ONCE.get(role)
    if most and known > 1 and goal[0] == running[0] and goal[1] - running[1] > most:
        return f"at most {most} minor {'release' if most == 1 else 'releases'} at a time: {goal[0]}.{running[1] + most} is next"
    return ""
