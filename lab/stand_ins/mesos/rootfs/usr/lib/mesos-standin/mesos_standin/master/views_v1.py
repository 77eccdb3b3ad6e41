"""The master's v1 JSON: what the operator API answers."""

from __future__ import annotations

from mesos_standin.master.state import Agent, Framework, Json, Task
from mesos_standin.master.views import AGENT_CAPABILITIES
from mesos_standin.resources import Resources


def nanoseconds(seconds: float) -> Json:
    """A time as the v1 API writes it."""
    return {"nanoseconds": int(seconds * 1e9)}


def agent_v1(agent: Agent) -> Json:
    """An entry of GET_AGENTS."""
    shown: Json = {
        "agent_info": agent.info,
        "active": agent.active,
        "deactivated": agent.deactivated,
        "version": agent.version,
        "pid": agent.pid,
        "registered_time": nanoseconds(agent.registered),
        "total_resources": agent.total.v1(role="*"),
        "capabilities": [{"type": name} for name in AGENT_CAPABILITIES],
    }
    if agent.reregistered:
        shown["reregistered_time"] = nanoseconds(agent.reregistered)
    if agent.used() != Resources():
        shown["allocated_resources"] = agent.used().v1(role="*", allocation_info={"role": "*"})
    if agent.offers:
        shown["offered_resources"] = agent.offered().v1(role="*", allocation_info={"role": "*"})
    if agent.drain:
        shown["drain_info"] = agent.drain
        shown["estimated_drain_start_time"] = nanoseconds(int(agent.drain_began or agent.registered))
    return shown


def task_v1(task: Task, role: str) -> Json:
    """An entry of GET_TASKS."""
    shown: Json = {
        "name": task.info.get("name", ""),
        "task_id": task.info["task_id"],
        "framework_id": {"value": task.framework_id},
        "agent_id": task.info["agent_id"],
        "state": task.state,
        "resources": task.resources.v1(allocation_info={"role": role}),
        "statuses": task.statuses,
    }
    if task.status_update_state:
        shown.update(status_update_state=task.status_update_state, status_update_uuid=task.status_update_uuid)
    kept = ("labels", "discovery", "container", "health_check", "user")
    return {**shown, **{key: task.info[key] for key in kept if key in task.info}}


def framework_v1(framework: Framework) -> Json:
    """An entry of GET_FRAMEWORKS."""
    shown: Json = {
        "framework_info": framework.info,
        "active": framework.connected,
        "connected": framework.connected,
        "recovered": framework.recovered,
        "registered_time": nanoseconds(framework.registered),
        "reregistered_time": nanoseconds(framework.reregistered or framework.registered),
        "offer_constraints": {},
    }
    if framework.unregistered:
        shown["unregistered_time"] = nanoseconds(framework.unregistered)
    return shown
