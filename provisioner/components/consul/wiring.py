"""What Consul is told: its servers, and whether this host is one."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components.consul.component import COMPONENT
from provisioner.inventory.wiring import Variables, Wiring, also

#: All but the gossip's are for whoever asks Consul.
TOKENS = tuple(name for name, kind in COMPONENT.secrets.items() if kind == "token")


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    servers = w.cluster.members("consul_server")
    server = "consul_server" in host.groups
    return {
        **w.archive("consul", host),
        "consul_address": host.cluster_address,
        "consul_node_name": host.name,
        "consul_server": server,
        "consul_servers": [h.cluster_address for h in servers],
        "consul_gossip_key": "{{ vault_consul_gossip_key }}",
        "consul_acl": _acl(w),
        # Said, not left to what the host's files say: damaged ones would make a server believe that it is on its way from open to closed.
        **({"consul_tls": "require"} if server and w.closed else {}),
        # In an open cluster too: one that was closed goes through a phase in which servers still know them.
        **{name: f"{{{{ vault_{name} }}}}" for name in TOKENS},
        # On the servers, which let in who brings one.
        "consul_also": {name.removeprefix("consul_"): also(name) for name in COMPONENT.secrets} if server else {},
        "consul_keepers": [h.name for h in servers],
        "consul_authority": w.authority,
        "consul_probe": {"unit": "consul", "http": "127.0.0.1:8500", "server": server, "servers": len(servers),
                         "hosts": len(w.cluster.hosts), "acl": _acl(w)},
    }


def _acl(w: Wiring) -> str:
    return "deny" if w.closed else "off"
