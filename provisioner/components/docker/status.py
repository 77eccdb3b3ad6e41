"""What is wrong with Docker's swarm as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.cluster.model import Cluster
from provisioner.components.docker.component import COMPONENT
from provisioner.observe.observation import Observation
from provisioner.observe.status import Row


def problems(rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[str]:
    """One swarm, with a leader."""
    facts = {r.host: (seen.health(r.host, COMPONENT.name) or {}).get("facts", {}) for r in rows}
    managers = [h for h, f in facts.items() if f.get("manager")]
    swarms = {str(facts[h].get("cluster_id")) for h in managers}
    if len(swarms) > 1:
        yield f"{', '.join(managers)} are managers of {len(swarms)} different swarms"
    elif managers and not any(facts[h].get("swarm_leader") for h in managers):
        yield f"the swarm of {', '.join(managers)} has no leader"
