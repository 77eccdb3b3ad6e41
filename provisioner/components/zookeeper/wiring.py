"""What ZooKeeper is told: its ensemble and the id of each member."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    members = w.cluster.members("zookeeper")
    entry = w.entry("zookeeper")
    log = w.value(host, "zookeeper_log_dir") or w.value(host, "zookeeper_data_dir")
    return {
        "zookeeper_source": "archive" if entry.kind == "archive" else "package",
        "zookeeper_packages": entry.get("packages", {}),
        **w.archive("zookeeper"),
        "zookeeper_version": entry.pinned,
        "zookeeper_id": w.ledger.zookeeper_ids[host.name],
        "zookeeper_address": host.cluster_address,
        "zookeeper_servers": [{"id": i, "address": a}
                              for i, a in sorted((w.ledger.zookeeper_ids[h.name], h.cluster_address) for h in members)],
        "zookeeper_super_digest": "{{ vault_zookeeper_super_digest }}",
        "zookeeper_probe": {"unit": "zookeeper", "address": host.cluster_address,
                            "port": w.value(host, "zookeeper_client_port"), "members": len(members),
                            **({"log": log} if log != w.defaults["zookeeper_data_dir"] else {})},
    }
