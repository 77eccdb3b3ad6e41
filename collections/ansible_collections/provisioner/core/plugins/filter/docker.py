"""Filters of role docker: which options of the daemon would keep it from working, and which networks it takes."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Mapping
from typing import Any

VARIABLE = "docker_daemon_options"
#: Keys that the role follows elsewhere too, and what to set instead.
OWNED = {"data-root": "docker_data_root", "graph": "docker_data_root",
         "cluster-store": "docker_overlay", "cluster-advertise": "docker_overlay"}
#: The keys of daemon.json on Linux: what dockerd 20.10 has flags for, and what moby's daemon/config reads since (2026).
KEYS = frozenset((
    "allow-direct-routing", "allow-nondistributable-artifacts", "api-cors-header", "authorization-plugins", "bip", "bip6", "bridge",
    "bridge-accept-fwmark", "builder", "cdi-spec-dirs", "cgroup-parent", "cluster-advertise", "cluster-store", "cluster-store-opts",
    "containerd", "containerd-namespace", "containerd-plugin-namespace", "containerd-plugins-namespace", "cpu-rt-period",
    "cpu-rt-runtime", "cri-containerd", "data-root", "debug", "default-address-pools", "default-cgroupns-mode", "default-gateway",
    "default-gateway-v6", "default-init", "default-ipc-mode", "default-network-opts", "default-runtime", "default-shm-size",
    "default-ulimits", "deprecated-key-path", "dns", "dns-opts", "dns-search", "exec-opts", "exec-root", "experimental", "features",
    "firewall-backend", "fixed-cidr", "fixed-cidr-v6", "graph", "group", "host-gateway-ip", "host-gateway-ips", "hosts", "icc",
    "init", "init-path", "insecure-registries", "ip", "ip-forward", "ip-forward-no-drop", "ip-masq", "ip6tables", "iptables",
    "ipv6", "labels", "live-restore", "log-driver", "log-format", "log-level", "log-opts", "max-concurrent-downloads",
    "max-concurrent-uploads", "max-download-attempts", "metrics-addr", "mtu", "network-control-plane-mtu",
    "network-diagnostic-port", "no-new-privileges", "node-generic-resources", "oom-score-adjust", "pidfile", "proxies", "raw-logs",
    "registry-mirrors", "resolv-conf", "rootless", "runtimes", "seccomp-profile", "selinux-enabled", "shutdown-timeout",
    "storage-driver", "storage-opts", "swarm-default-advertise-addr", "swarm-raft-election-tick", "swarm-raft-heartbeat-tick",
    "tls", "tlscacert", "tlscert", "tlskey", "tlsverify", "userland-proxy", "userland-proxy-path", "userns-remap",
))
#: A key as near as this to one of dockerd's was meant to be it.
ALIKE = 0.7
Network = ipaddress.IPv4Network


def docker_option_doubts(options: Mapping[str, Any]) -> list[str]:
    """Keys that no dockerd known here has, each with the nearest one: it does not start with a key that it does not know, but a newer one
    may know more.
    """
    doubts = []
    for name in options:
        if name not in KEYS:
            near = difflib.get_close_matches(str(name), KEYS, n=1, cutoff=ALIKE)
            meant = f": did you mean {near[0]}?" if near else ""
            doubts.append(f"{VARIABLE}: no dockerd known here has the key {name}, and it does not start with one that it lacks{meant}")
    return doubts


def docker_option_problems(options: Mapping[str, Any], overlay: str, subnet: str) -> list[str]:
    """Why the daemon would not start with these keys of daemon.json, or containers would not be reached: sentences.

    `overlay` is the kind of the overlay network, `subnet` its addresses.
    """
    problems = []
    if "hosts" in options:
        problems.append(f"{VARIABLE} must not set hosts: the unit passes -H fd://, and with both the daemon does not start. "
                        "Change the unit instead.")
    for name, instead in OWNED.items():
        if name in options:
            problems.append(f"{VARIABLE}: {name} is set by the role; set {instead} instead.")
    if overlay == "swarm" and options.get("live-restore"):
        problems.append(f"{VARIABLE} sets live-restore, which a swarm excludes: remove it, or set docker_overlay to none.")
    try:
        taken = docker_networks(options)
    except ValueError as error:
        return [*problems, f"{VARIABLE}: {error}."]
    if overlay != "none":
        problems += [f"{VARIABLE}: {name} {network} overlaps with docker_overlay_subnet {subnet}: choose another network for one of them."
                     for name, network in taken if network.overlaps(Network(subnet, strict=False))]
    return problems


def docker_networks(options: Mapping[str, Any]) -> list[tuple[str, Network]]:
    """The networks that these options give to bridges, each with the option's name. ValueError says which is none."""
    found = [(name, _network(name, options[name])) for name in ("bip", "fixed-cidr") if options.get(name)]
    by_name = dict(found)
    if len(by_name) == 2 and not by_name["fixed-cidr"].subnet_of(by_name["bip"]):
        raise ValueError(f"fixed-cidr {options['fixed-cidr']} does not lie in bip {options['bip']}")
    pools = options.get("default-address-pools") or []
    if not isinstance(pools, list) or not all(isinstance(pool, Mapping) and {"base", "size"} <= set(pool) for pool in pools):
        raise ValueError("default-address-pools must be a list of {base: 10.200.0.0/16, size: 24}")
    for pool in pools:
        base = _network("default-address-pools: base", pool["base"])
        if not isinstance(pool["size"], int) or not base.prefixlen <= pool["size"] <= 30:
            raise ValueError(f"default-address-pools: size {pool['size']!r} must be between {base.prefixlen} and 30 for {base}")
        found.append(("default-address-pools", base))
    return found


def _network(name: str, value: Any) -> Network:
    try:
        network = Network(value, strict=False)
    except ValueError:
        network = None
    if network is None or "/" not in str(value):
        raise ValueError(f"{name} must be an IPv4 address with the length of its network, like 10.200.0.1/24, not {value!r}")
    return network


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"docker_option_problems": docker_option_problems}
