"""What is wrong with Consul as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.cluster.model import Cluster
from provisioner.components.consul.component import COMPONENT
from provisioner.observe.observation import Observation
from provisioner.observe.status import Row


def strangers(rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Servers that vote and that the inventory does not have, or no longer."""
    facts = [(seen.health(r.host, COMPONENT.name) or {}).get("facts", {}) for r in rows]
    peers = {str(name) for f in facts for name in (f.get("raft_peers") or [])}
    for name in sorted(peers - {h.name for h in cluster.members(COMPONENT.voters)}):
        yield f"{name} votes in Consul, but is no consul_server in the inventory"
