"""What a healthy Debian 12 host answers, for tests that change one thing of it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.observe.preflight.report import Seen

_DISK = {"device": 1, "size_mb": 100_000, "free_mb": 80_000, "inodes": 6_000_000, "free_inodes": 5_000_000, "read_only": False,
         "noexec": False}


def facts(**changes: Any) -> dict[str, Any]:
    """The probe's facts."""
    found = {
        "hostname": "m1", "fqdn": "m1.example.org", "addresses": ["10.0.0.1", "172.17.0.1"],
        "default_route": {"interface": "eth0", "gateway": "10.0.0.254", "address": "10.0.0.1"},
        "cluster": "", "machine_id": "0123456789abcdef0123456789abcdef", "boot_id": "72b11941-d8e8-4da3-a3dd-2e32b980c85b",
        "time": 1_700_000_000.0,
        "python": {"version": [3, 11, 2], "executable": "/usr/bin/python3"}, "kernel": "6.1.0-18-amd64", "arch": "x86_64", "cpus": 4,
        "mem_mb": 16_000, "mem_available_mb": 15_000, "swap_mb": 0, "init": "systemd",
        "os": {"id": "debian", "version": "12", "codename": "bookworm", "pretty": "Debian GNU/Linux 12 (bookworm)",
               "name": "Debian GNU/Linux", "like": []},
        "disks": {path: dict(_DISK) for path in ("/", "/var", "/tmp", "/var/lib/docker", "/var/lib/mesos")},
        "virtualization": "kvm", "cgroup": {"layout": "v2", "elsewhere": [], "v1": []}, "selinux": "disabled", "package_manager": "apt",
    }
    return {**found, **changes}


def found(**changes: Any) -> dict[str, Any]:
    """The probe's preflight section."""
    answer: dict[str, Any] = {
        "listeners": [], "name": {"name": "m1", "addresses": ["10.0.0.1"], "error": ""}, "packages": {"locks": [], "interrupted": ""},
        "docker": {"version": "", "error": "no such file"}, "clock_synchronised": True,
        "capabilities": {"overlayfs": "", "vxlan": "", "br_netfilter": ""}, "sources": [],
    }
    return {**answer, **changes}


def seen(*components: str, host: str = "m1", variables: dict[str, Any] | None = None, facts: dict[str, Any] | None = None,
         ahead: tuple[float, float] = (-0.1, 0.1), **found_changes: Any) -> Seen:
    """A host as the rules see it."""
    own = copy.deepcopy({**globals()["facts"](), **(facts or {})})
    return Seen(host, frozenset(components), {"common_address": "10.0.0.1", **(variables or {})}, own, found(**found_changes), {}, ahead)


def cluster(folder: Path, *names: str, groups: frozenset[str] = frozenset(), variables: dict[str, Any] | None = None,
            **settings: object) -> Cluster:
    """A cluster of hosts 10.0.0.1, 10.0.0.2 … that are all in `groups`."""
    hosts = tuple(Host(name, f"10.0.0.{number}", 22, "deploy", groups, variables or {}, f"inventory.yml:{number}")
                  for number, name in enumerate(names, 1))
    return Cluster("test", folder / "inventory.yml", hosts, settings)


def rendered(of: Cluster, **shared: Any) -> dict[str, Any]:
    """A rendered inventory as the preflight reads it."""
    return {"all": {"vars": shared, "hosts": {h.name: {"common_address": h.address} for h in of.hosts}}}
