"""What is wrong with ZooKeeper as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.cluster.model import Cluster
from provisioner.components.zookeeper.component import COMPONENT
from provisioner.observe.observation import Observation
from provisioner.observe.status import Row


def strangers(rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Members that the ensemble counts on and the inventory does not have, or no longer."""
    facts = [(seen.health(r.host, COMPONENT.name) or {}).get("facts", {}) for r in rows]
    members = len(cluster.members(COMPONENT.voters))
    counted = max((len(f["servers"]) for f in facts if isinstance(f.get("servers"), list)), default=0)
    if counted > members:
        yield f"ZooKeeper counts on {counted} members, but the inventory has {members}"
