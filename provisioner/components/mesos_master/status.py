"""What is wrong with the Mesos masters as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.cluster.model import Cluster
from provisioner.components import AGENT
from provisioner.components.mesos_master.component import COMPONENT
from provisioner.observe.observation import Observation
from provisioner.observe.status import Row


def strangers(rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """Agents that the leading master knows and the inventory does not."""
    known = {name for h in cluster.members(AGENT.name) for name in (h.name, h.address, h.cluster_address)}
    for row in rows:
        if row.leader:
            listed = (seen.health(row.host, COMPONENT.name) or {}).get("facts", {}).get("agents_listed")
            names = [str(a.get("hostname")) for a in listed if isinstance(a, dict)] if isinstance(listed, list) else []
            for name in sorted(set(names) - known):
                yield f"{name} is registered as a Mesos agent, but is not one in the inventory"
