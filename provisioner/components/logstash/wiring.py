"""What the collectors and the forwarders of logs are told."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.errors import InventoryError
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    entry = w.entry("logstash")
    port = "logstash_tls_port" if w.closed else "logstash_port"
    servers = w.at("logstash_server", port)
    if not servers:
        raise InventoryError("no host is in logstash_server", where=str(w.cluster.path),
                             hint="add a host to the group logstash_server (or masters)")
    server = "logstash_server" in host.groups
    own = f"{host.cluster_address}:{w.value(host, port)}"
    target = own if server else servers[_share(host.name, len(servers))]
    version = entry.get("debian_version") or entry.version
    return {
        "logstash_server": server,
        "logstash_package": entry.get("package"),
        "logstash_version": version,
        **(w.locked(host, "logstash", [entry.get("package")], version) if server else {}),
        "logstash_address": host.cluster_address,
        "logstash_target": target,
        "logstash_tls": w.closed,
        # Also where it only forwards, as that program reads its certificate when it starts.
        "logstash_authority": w.authority,
        "logstash_probe": {"unit": "logstash", "server": server, "api": f"127.0.0.1:{w.value(host, 'logstash_api_port')}",
                           "forwarder": "rsyslog", "target": target, "peer": "logstash" if w.closed else ""},
    }


def _share(name: str, servers: int) -> int:
    """Spreads the hosts over the collectors by name, so that adding a host moves nobody else."""
    return sum(name.encode()) % servers
