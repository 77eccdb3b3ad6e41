"""What Docker is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.site import is_source
from provisioner.inventory.wiring import Variables, Wiring, named

#: Swarm managers beyond this only slow its raft down (Docker's own guidance: 3, 5 or 7).
SWARM_MANAGERS_MAX = 7


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    entry = w.entry("docker")
    registry, by_authority = w.setting("cluster_registry"), w.closed and is_source(w.cluster)
    managers = (w.cluster.members("masters") or w.cluster.members("zookeeper"))[:SWARM_MANAGERS_MAX]
    return {
        **({"docker_proxy_environment": w.proxy_environment} if w.proxy_environment else {}),
        "docker_address": host.cluster_address,
        # The vendor's packages have the same names in both families; the distribution's engine exists for Debian's only.
        "docker_packages": entry.get("packages")["Debian"],
        "docker_version": entry.pinned,
        "docker_registry": registry,
        "docker_registry_insecure": bool(registry) and not w.value(host, "docker_registry_ca") and not by_authority,
        **({"docker_registry_ca": w.trusted} if by_authority else {}),
        "docker_dns": [host.cluster_address],
        "docker_swarm_managers": named(managers),
        "docker_closed": w.closed,
        "docker_probe": {"unit": "docker", "overlay": w.value(host, "docker_overlay"),
                         "network": w.value(host, "docker_overlay_network")},
    }
