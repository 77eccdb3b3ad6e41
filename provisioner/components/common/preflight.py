"""What the base system needs of a host: a clock that somebody keeps right."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.observe.preflight.report import Finding, Seen

#: What systemd-detect-virt says where the clock belongs to somebody else.
CONTAINERS = ("docker", "podman", "lxc", "lxc-libvirt", "systemd-nspawn", "openvz", "container-other")


def clock_kept(seen: Seen) -> Iterator[Finding]:
    """A clock that nobody sets drifts; sessions of ZooKeeper, Mesos and Consul notice. No role asks this again."""
    if seen.variables.get("common_time_sync") == "off":
        return
    if seen.facts["virtualization"] in CONTAINERS:
        yield seen.ok("time", "its clock is that of the machine it runs on")
    elif seen.found.get("clock_synchronised") is False:
        yield seen.fail("time", "nobody keeps its clock right (the kernel says that it is not synchronised)",
                        "see 'chronyc sources' or 'timedatectl timesync-status', install chrony where neither runs, or set "
                        "common_time_sync: off")
    else:
        yield seen.ok("time", "its clock is kept right")


RULES = (clock_kept,)
