"""How large a host must be for what it is to run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.components import COMPONENTS
from provisioner.components.model import Need
from provisioner.observe.preflight.report import Finding, Seen

#: A JVM needs more than its heap: metaspace, code cache, thread stacks and buffers (rule of thumb: a quarter and 128 MiB).
JVM_FACTOR, JVM_FIXED_MB = 1.25, 128
#: DC/OS asks for 2 cores on agents and 4 on masters (its system requirements); with one, elections time out under load.
CPUS_MIN, CPUS_GOOD = 1, 2
#: A host sized exactly has no room for the tasks of an agent or for file cache.
MEMORY_GOOD = 1.5
#: Many small files (sandboxes, layers of images) use inodes up before blocks.
INODES_MIN, INODES_GOOD = 20_000, 100_000
MIB_PER_GIB = 1024


def cpus(seen: Seen) -> Iterator[Finding]:
    """Processors."""
    count = seen.facts["cpus"]
    if count < CPUS_MIN:
        yield seen.fail("cpus", "it reports no processor", f"give it {CPUS_GOOD}")
    elif count < CPUS_GOOD:
        yield seen.warn("cpus", f"{count} processor", f"give it {CPUS_GOOD}: elections time out on a busy single one")
    else:
        yield seen.ok("cpus", f"{count} processors")


def memory(seen: Seen) -> Iterator[Finding]:
    """The machine's memory against the sum of what its components take."""
    has, need = seen.facts["mem_mb"], memory_needed(seen.components, seen.variables)
    if has < need:
        yield seen.fail("memory", f"{_gib(has)} of memory; what it is to run takes {_gib(need)}",
                        "give it more memory, smaller heaps (…_heap_mb), or fewer components")
    elif has < need * MEMORY_GOOD:
        yield seen.warn("memory", f"{_gib(has)} of memory; what it is to run takes {_gib(need)}",
                        "there is little room for tasks and caches")
    else:
        yield seen.ok("memory", f"{_gib(has)} of memory")


def memory_needed(components: frozenset[str], variables: Mapping[str, Any]) -> int:
    """MiB that the components take together."""
    return sum(need.memory_mb + _jvm(need, variables) for need in _needs(components))


def _needs(groups: frozenset[str]) -> Iterator[Need]:
    """What the components of a host in these groups need."""
    return (need for c in COMPONENTS if c.name in groups for need in c.needs if not need.group or need.group in groups)


def _jvm(need: Need, variables: Mapping[str, Any]) -> int:
    if not need.heap:
        return 0
    return int(int(variables.get(need.heap, need.heap_mb)) * JVM_FACTOR) + JVM_FIXED_MB


def disks(seen: Seen) -> Iterator[Finding]:
    """Free space and inodes, summed per filesystem: directories that share one share its room."""
    measured = _measured(seen)
    needed: dict[int, int] = defaultdict(int)
    paths: dict[int, list[str]] = defaultdict(list)
    for path, mb in directories(seen.components, seen.variables).items():
        if mb and path in measured:
            needed[measured[path]["device"]] += mb
            paths[measured[path]["device"]].append(path)
    found = [f for device, need in needed.items() for f in _filesystem(seen, measured[paths[device][0]], paths[device], need)]
    yield from found or [seen.ok("disk", "enough free space and inodes")]


def programs(seen: Seen) -> Iterator[Finding]:
    """Sandboxes, containers and unpacked programs run from where they lie."""
    measured = _measured(seen)
    for path in dict.fromkeys(_filled(path, seen.variables) for need in _needs(seen.components) for path in need.programs):
        if measured.get(path, {}).get("noexec"):
            yield seen.fail("disk", f"the filesystem of {path} is mounted noexec, and programs are started from there",
                            f"mount it without noexec: mount -o remount,exec, and in /etc/fstab; or give {path} a filesystem of its own")


def directories(components: frozenset[str], variables: Mapping[str, Any]) -> dict[str, int]:
    """What is to be looked at of a host's disks: MiB needed, by directory."""
    needs: dict[str, int] = defaultdict(int)
    for need in _needs(components):
        for path, mb in (*need.disk_mb.items(), *((path, 0) for path in need.programs)):
            needs[_filled(path, variables)] += mb
    return dict(needs)


def _largest(need: Need, variables: Mapping[str, Any]) -> str:
    """The directory that grows."""
    return _filled(max(need.disk_mb, key=lambda path: need.disk_mb[path], default=""), variables)


def _filled(path: str, variables: Mapping[str, Any]) -> str:
    return path.format_map(variables)


def _measured(seen: Seen) -> dict[str, Mapping[str, Any]]:
    return {disk["path"]: disk for disk in seen.found["disks"]}


def _filesystem(seen: Seen, disk: Mapping[str, Any], paths: list[str], need: int) -> Iterator[Finding]:
    names = " and ".join(paths)
    installed = bool(seen.found["docker"]["version"])  # then most of the space is taken already, and what is left is for growth
    good = max((each.good_disk_mb for each in _needs(seen.components) if _largest(each, seen.variables) in paths), default=0)
    least, free = need // 4 if installed else need, disk["free_mb"]
    if disk["read_only"]:
        yield seen.fail("disk", f"the filesystem of {names} is read-only",
                        "mount it writable; look at the kernel's log for disk errors")
        return
    if free < least:
        yield seen.fail("disk", f"{_gib(free)} free for {names}; {_gib(least)} are needed", "make room, or use a larger disk")
    elif free < good and not installed:
        yield seen.warn("disk", f"{_gib(free)} free for {names}",
                        f"{_gib(good)} are a good start for images and sandboxes")
    if disk["inodes"] and disk["free_inodes"] < INODES_MIN:  # some filesystems (btrfs) have no fixed number and say 0
        yield seen.fail("disk", f"{disk['free_inodes']} inodes free for {names}; {INODES_MIN} are needed",
                        "remove small files, or make the filesystem anew")
    elif disk["inodes"] and disk["free_inodes"] < INODES_GOOD:
        yield seen.warn("disk", f"{disk['free_inodes']} inodes free for {names}", "logs and sandboxes are many small files")


def _gib(mb: float) -> str:
    return f"{mb / MIB_PER_GIB:.1f} GiB"


RULES = (cpus, memory, disks, programs)
