"""What ZooKeeper is told: its ensemble and the id of each member."""

from __future__ import annotations

from typing import Any

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.inventory.wiring import Variables, Wiring, also

#: The packages that are ZooKeeper; others, as Java, follow the distribution.
PROGRAMS = ("libzookeeper-java", "zookeeper")
#: ZooKeeper's permission bits: read, write, create, delete and administer.
ALL = 31


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    members = w.cluster.members("zookeeper")
    entry = w.entry("zookeeper")
    log = w.value(host, "zookeeper_log_dir") or w.value(host, "zookeeper_data_dir")
    return {
        "zookeeper_source": "archive" if entry.kind == "archive" else "package",
        "zookeeper_packages": entry.get("packages", {}),
        **w.archive("zookeeper", host),
        "zookeeper_version": entry.pinned,
        **w.locked(host, "zookeeper", [name for name in entry.get("packages", {}).get("Debian", []) if name in PROGRAMS], entry.pinned),
        "zookeeper_id": w.ledger.zookeeper_ids[host.name],
        "zookeeper_address": host.cluster_address,
        "zookeeper_servers": [{"id": i, "address": a}
                              for i, a in sorted((w.ledger.zookeeper_ids[h.name], h.cluster_address) for h in members)],
        "zookeeper_super_digest": "{{ vault_zookeeper_super_digest }}",
        "zookeeper_super_password": "{{ vault_zookeeper_super_password }}",
        "zookeeper_nodes": _nodes(host, w),
        "zookeeper_authority": w.authority,
        "zookeeper_quorum_tls": "require" if w.closed else "off",
        "zookeeper_probe": {"unit": "zookeeper", "address": host.cluster_address,
                            "port": w.value(host, "zookeeper_client_port"), "members": len(members),
                            **({"log": log} if log != w.defaults["zookeeper_data_dir"] else {})},
    }


def _nodes(host: Host, w: Wiring) -> list[dict[str, Any]]:
    """Who may read and write what: in a closed cluster each component its own nodes, nobody any other. An open one's are left alone."""
    if not (w.closed and w.authentication):
        return []
    found = [_node("/", "super"), _node("/zookeeper", "super", below=True)]
    for component in COMPONENTS:
        tops = set()
        for written in component.znodes:
            path = str(w.value(host, written.strip("{}")) if written.startswith("{") else written)
            steps = [step for step in path.split("/") if step]
            tops.add(f"/{steps[0]}")
            found += [_node("/" + "/".join(steps[:depth]), component.zookeeper_user) for depth in range(1, len(steps) + 1)]
        found += [_node(top, component.zookeeper_user, below=True) for top in sorted(tops)]
    return found


def _node(path: str, user: str, *, below: bool = False) -> dict[str, Any]:
    digest = f"zookeeper_{user}_digest"
    rules = [{"perms": ALL, "scheme": "digest", "id": each} for each in (f"{{{{ vault_{digest} }}}}", also(digest))]
    return {"path": path, "acl": rules, **({"below": True} if below else {})}
