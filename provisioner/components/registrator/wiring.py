"""What Registrator is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    return {
        "registrator_image": w.image("registrator"),
        "registrator_address": host.cluster_address,
        "registrator_consul": "127.0.0.1:8500",
        "registrator_token": "{{ vault_consul_registrator_token }}" if w.closed else "",
        "registrator_probe": {"unit": "registrator", "image": w.image("registrator"), "consul": "127.0.0.1:8500"},
    }
