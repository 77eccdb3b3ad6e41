"""What dnsmasq is told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    domain = w.value(host, "consul_domain")
    return {"dns_address": host.cluster_address, "dns_domain": domain, "dns_consul_port": 8600,
            "dns_probe": {"unit": "dnsmasq", "address": "127.0.0.1", "domain": domain}}
