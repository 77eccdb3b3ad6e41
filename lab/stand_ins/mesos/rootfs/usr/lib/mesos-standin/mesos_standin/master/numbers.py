"""What a master counts: its part of /metrics/snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mesos_standin import metrics
from mesos_standin.master.state import Agent, Framework
from mesos_standin.resources import Resources

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader


def system_metrics(leader: Leader) -> dict[str, float]:
    """/metrics/snapshot of a master, leading or not."""
    state, registry = leader.state, leader.registrar.value
    size, ensemble = leader.registrar.size()
    values: dict[str, float] = {
        "master/elected": leader.elected,
        "master/uptime_secs": time.time() - leader.started,
        "master/slaves_unreachable": len(registry.get("unreachable", {})),
        "master/outstanding_offers": len(state.offers),
        "registrar/log/recovered": leader.registrar.replica.voting,
        "registrar/log/ensemble_size": ensemble,
        **({"registrar/registry_size_bytes": size} if leader.recovered else {}),
        **_agents(list(state.agents.values())),
        **_frameworks(list(state.frameworks.values())),
        **leader.registrar.timings,
        **state.counters,
    }
    return metrics.snapshot("master", values)


def _agents(agents: list[Agent]) -> dict[str, float]:
    values: dict[str, float] = {
        "master/slaves_active": sum(agent.active for agent in agents),
        "master/slaves_inactive": sum(not agent.active for agent in agents),
        "master/slaves_connected": sum(agent.connected for agent in agents),
        "master/slaves_disconnected": sum(not agent.connected for agent in agents),
    }
    total = sum((agent.total for agent in agents), Resources()).scalars
    used = sum((agent.used() for agent in agents), Resources()).scalars
    for name in ("cpus", "mem", "disk", "gpus"):
        values[f"master/{name}_total"], values[f"master/{name}_used"] = total.get(name, 0), used.get(name, 0)
        values[f"master/{name}_percent"] = used.get(name, 0) / total[name] if total.get(name) else 0
    return values


def _frameworks(frameworks: list[Framework]) -> dict[str, float]:
    connected = sum(framework.connected for framework in frameworks)
    values: dict[str, float] = {
        "master/frameworks_active": connected,
        "master/frameworks_connected": connected,
        "master/frameworks_inactive": len(frameworks) - connected,
        "master/frameworks_disconnected": len(frameworks) - connected,
    }
    states = [task.state for framework in frameworks for task in framework.tasks.values()]
    for living in ("staging", "starting", "running", "killing"):
        values[f"master/tasks_{living}"] = states.count(f"TASK_{living.upper()}")
    return values
