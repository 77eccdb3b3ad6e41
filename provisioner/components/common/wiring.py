"""What the base system is told: who the hosts are and what they reach on each other."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    return {
        "common_cluster": w.cluster.name,
        "common_cluster_id": w.ledger.cluster_id,
        "common_address": host.cluster_address,
        "common_hosts": w.everybody,
        "common_firewall_ports": [{"port": p, "protocol": protocol} for p, protocol in w.open_ports(host)],
        "common_firewall_sources": w.addresses,
        "common_authority": w.authority,
        "common_probe": {"firewall": w.value(host, "common_firewall")},
    }
