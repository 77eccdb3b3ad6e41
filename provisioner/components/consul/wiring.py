"""What Consul is told: its servers, and whether this host is one."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    servers = w.cluster.members("consul_server")
    server = "consul_server" in host.groups
    return {
        **w.archive("consul"),
        "consul_address": host.cluster_address,
        "consul_node_name": host.name,
        "consul_server": server,
        "consul_servers": [h.cluster_address for h in servers],
        "consul_gossip_key": "{{ vault_consul_gossip_key }}",
        "consul_probe": {"unit": "consul", "http": "127.0.0.1:8500", "server": server, "servers": len(servers),
                         "hosts": len(w.cluster.hosts)},
    }
