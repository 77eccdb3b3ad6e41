"""What there is to say of the agents although nothing is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import fold
from provisioner.components.mesos_agent.component import COMPONENT
from provisioner.observe.observation import Observation
from provisioner.observe.status import Problem, Row


def notes(rows: Sequence[Row], cluster: Cluster, seen: Observation) -> Iterator[Problem]:
    """Who takes no work because an operator wants it so."""
    resting = [r.host for r in rows if r.state == "ok" and (seen.health(r.host, COMPONENT.name) or {}).get("facts", {}).get("deactivated")]
    if resting:
        yield Problem(f"{fold(resting)}: drained, as asked for", COMPONENT.name, tuple(resting), "ok",
                      "'provision undrain' lets a host take work again")
