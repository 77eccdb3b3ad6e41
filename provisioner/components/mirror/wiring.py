"""What the mirror's host is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.site import content
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    served, scheme = content(w.cluster), "https://" if w.closed else ""
    places = (f"{host.cluster_address}:{w.value(host, name)}" for name in ("mirror_port", "mirror_registry_port"))
    server, registry = places
    return {
        "mirror_address": host.cluster_address,
        "mirror_content": served,
        "mirror_authority": w.authority,
        "mirror_probe": {"unit": "mirror", "registry_unit": "mirror-registry", "server": server, "registry": f"{scheme}{registry}",
                         "content": served},
    }
