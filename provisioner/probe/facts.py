"""What a host is: identity, system, size and layout, from files and system calls, in a few milliseconds."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from . import network
from .files import read

#: The first that exists is the one that manages packages: dnf hosts often carry a yum link too.
PACKAGE_MANAGERS = (("apt", "/usr/bin/apt-get"), ("dnf", "/usr/bin/dnf"), ("yum", "/usr/bin/yum"))
#: Identity and name of the cluster that the host belongs to, as role `common` writes it.
CLUSTER = "/etc/provisioner-cluster"
CGROUP_ROOT = "/sys/fs/cgroup"
#: A resolver that does not answer must not hold up everything else.
RESOLVE_SECONDS = 1.0
VIRTUALIZATION_SECONDS = 5.0


def facts() -> "dict[str, Any]":
    """All facts. What a host does not have is '' or 0, never missing."""
    hostname = socket.gethostname()
    names: list[str] = []
    resolving = threading.Thread(target=_canonical, args=(hostname, names), daemon=True)
    resolving.start()
    memory = _memory(read("/proc/meminfo"))
    found = {
        "hostname": hostname,
        "addresses": network.addresses(),
        "default_route": network.default_route(),
        "machine_id": read("/etc/machine-id").strip(),
        "cluster": read(CLUSTER).strip(),
        "boot_id": read("/proc/sys/kernel/random/boot_id").strip(),
        "python": {"version": list(sys.version_info[:3]), "executable": sys.executable},
        "os": os_release(read("/etc/os-release")),
        "kernel": os.uname().release,
        "arch": os.uname().machine,
        "cpus": len(os.sched_getaffinity(0)),
        "mem_mb": memory.get("MemTotal", 0),
        "mem_available_mb": memory.get("MemAvailable", 0),
        "swap_mb": memory.get("SwapTotal", 0),
        "virtualization": _virtualization(),
        "cgroup": cgroup(read("/proc/self/mountinfo")),
        "init": read("/proc/1/comm").strip(),
        "selinux": _selinux(read("/sys/fs/selinux/enforce").strip()),
        "package_manager": package_manager(),
    }
    resolving.join(RESOLVE_SECONDS)
    found["fqdn"] = names[0] if names else hostname
    found["time"] = time.time()
    return found


def os_release(text: str) -> "dict[str, Any]":
    """`/etc/os-release` as id, version, codename, pretty, name and the ids it is like."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    values = {key: value.strip().strip("\"'") for key, value in values.items()}
    version = values.get("VERSION", "")
    named = version[version.index("(") + 1:].rstrip(")") if "(" in version else ""
    return {
        "id": values.get("ID", ""),
        "version": values.get("VERSION_ID", ""),
        "codename": values.get("VERSION_CODENAME") or named,
        "pretty": values.get("PRETTY_NAME", ""),
        "name": values.get("NAME", ""),
        "like": values.get("ID_LIKE", "").split(),
    }


def package_manager() -> str:
    """apt, dnf or yum."""
    return next((name for name, path in PACKAGE_MANAGERS if Path(path).exists()), "")


def cgroup(mountinfo: str) -> "dict[str, Any]":
    """Which hierarchies are mounted. `layout` is v1, hybrid (v1 with a v2 tree beside it), v2 or none.

    `elsewhere` lists cgroup2 mounts outside the usual place, which a newer Mesos agent refuses.
    """
    points: dict[str, list[str]] = {"cgroup": [], "cgroup2": []}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split(" ")[0]
        if kind in points:
            points[kind].append(left.split(" ")[4])
    v1, v2 = points["cgroup"], points["cgroup2"]
    layout = ("hybrid" if v2 else "v1") if v1 else "v2" if v2 else "none"
    return {"layout": layout, "elsewhere": sorted(set(v2) - {CGROUP_ROOT}),
            "v1": sorted(point.rsplit("/", 1)[-1] for point in v1)}


def _memory(meminfo: str) -> "dict[str, int]":
    """The lines `Name:   123 kB` in MiB."""
    pairs = (line.split(":", 1) for line in meminfo.splitlines() if line.endswith(" kB"))
    return {name: int(value.split()[0]) // 1024 for name, value in pairs}


def _virtualization() -> str:
    """The word of systemd-detect-virt (kvm, docker, lxc …); `none` on bare metal, '' where nobody can say."""
    try:
        done = subprocess.run(["systemd-detect-virt"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=VIRTUALIZATION_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("ascii", "replace").strip()


def _selinux(enforce: str) -> str:
    return {"1": "enforcing", "0": "permissive"}.get(enforce, "disabled")


def _canonical(hostname: str, names: "list[str]") -> None:
    try:
        found = socket.getaddrinfo(hostname, None, 0, socket.SOCK_STREAM, 0, socket.AI_CANONNAME)
    except OSError:
        return  # the preflight section says what is wrong with the host's own name
    names.extend(entry[3] for entry in found if entry[3])
