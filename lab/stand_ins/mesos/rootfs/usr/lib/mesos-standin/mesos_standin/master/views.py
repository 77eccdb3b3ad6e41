"""The master's v0 JSON: /state and its parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mesos_standin.master.state import Agent, Framework, Json, Offer, Task
from mesos_standin.process import BUILD, VERSION
from mesos_standin.resources import Resources, attributes_v0

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

AGENT_CAPABILITIES = [
    "MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT", "RESOURCE_PROVIDER", "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK", "AGENT_DRAINING", "TASK_RESOURCE_LIMITS",
]  # fmt: skip
MASTER_CAPABILITIES = ["AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2"]
_COUNTED = ["STAGING", "STARTING", "RUNNING", "KILLING", "FINISHED", "KILLED", "FAILED", "LOST", "ERROR", "UNREACHABLE"]


def agent_v0(agent: Agent, *, full: bool = False) -> Json:
    """An entry of /slaves (full) or /state."""
    total, used, offered = agent.total, agent.used(), agent.offered()
    shown: Json = {
        "id": agent.id,
        "hostname": agent.info["hostname"],
        "port": agent.info["port"],
        "attributes": attributes_v0(agent.info.get("attributes", [])),
        "pid": agent.pid,
        "registered_time": agent.registered,
        "resources": total.v0(),
        "used_resources": used.v0(),
        "offered_resources": offered.v0(),
        "reserved_resources": {},
        "unreserved_resources": total.v0(),
        "active": agent.active,
        "deactivated": agent.deactivated,
        "version": agent.version,
        "capabilities": AGENT_CAPABILITIES,
    }
    if agent.reregistered:
        shown["reregistered_time"] = agent.reregistered
    if agent.drain:
        shown["drain_info"] = agent.drain
        shown["estimated_drain_start_time_seconds"] = agent.drain_began or agent.registered
    if full:
        shown.update(reserved_resources_full={}, unreserved_resources_full=total.v1(role="*"))
        shown.update(used_resources_full=used.v1(role="*"), offered_resources_full=offered.v1(role="*"))
    return shown


def recovered_v0(entries: Iterable[Json]) -> list[Json]:
    """Agents of the registry that have not come back since the election."""
    return [
        {
            "id": entry["info"]["id"]["value"],
            "hostname": entry["info"]["hostname"],
            "port": entry["info"]["port"],
            "attributes": attributes_v0(entry["info"].get("attributes", [])),
        }
        for entry in entries
    ]


def task_v0(task: Task, role: str) -> Json:
    """An entry of /tasks and of a framework's lists."""
    kept = ("state", "timestamp", "labels", "container_status", "healthy")
    statuses = [{key: status[key] for key in kept if key in status} for status in task.statuses]
    for status in statuses:
        status.get("container_status", {}).pop("executor_pid", None)
    shown: Json = {
        "id": task.id,
        "name": task.info.get("name", ""),
        "framework_id": task.framework_id,
        "executor_id": "",
        "slave_id": task.agent_id,
        "state": task.state,
        "resources": task.resources.v0(),
        "role": role,
        "statuses": statuses,
    }
    if "labels" in task.info:
        shown["labels"] = task.info["labels"].get("labels", [])
    return {**shown, **{key: task.info[key] for key in ("discovery", "container", "health_check") if key in task.info}}


def framework_v0(framework: Framework) -> Json:
    """An entry of /frameworks."""
    info, role = framework.info, framework.role
    shown: Json = {
        "id": framework.id,
        "name": info.get("name", ""),
        "used_resources": framework.used().v0(),
        "offered_resources": framework.offered().v0(),
        "capabilities": [row["type"] for row in info.get("capabilities", [])],
        "hostname": info.get("hostname", ""),
        "webui_url": info.get("webui_url", ""),
        "active": framework.connected,
        "connected": framework.connected,
        "recovered": framework.recovered,
        "user": info.get("user", ""),
        "failover_timeout": float(info.get("failover_timeout", 0.0)),
        "checkpoint": bool(info.get("checkpoint", False)),
        "registered_time": framework.registered,
        "unregistered_time": framework.unregistered,
        "resources": (framework.used() + framework.offered()).v0(),
        "tasks": [task_v0(task, role) for task in framework.tasks.values()],
        "unreachable_tasks": [task_v0(task, role) for task in framework.unreachable.values()],
        "completed_tasks": [task_v0(task, role) for task in framework.completed],
        "offers": [_offer(offer, role) for offer in framework.offers.values()],
        "executors": [],
        "offer_constraints": {},
    }
    shown.update({"roles": info["roles"]} if info.get("roles") else {"role": role})
    if framework.reregistered:
        shown["reregistered_time"] = framework.reregistered
    return {**shown, **{key: info[key] for key in ("principal", "labels") if key in info}}


def _offer(offer: Offer, role: str) -> Json:
    shown = {"id": offer.id, "framework_id": offer.framework_id, "slave_id": offer.agent_id}
    return {**shown, "resources": offer.resources.v0(), "allocation_info": {"role": role}}


def summary(leader: Leader) -> Json:
    """/state-summary."""
    agents = []
    for agent in leader.state.agents.values():
        states = [task.state for task in agent.tasks.values()]
        counts = {f"TASK_{name}": states.count(f"TASK_{name}") for name in _COUNTED}
        ids = sorted({task.framework_id for task in agent.tasks.values()})
        agents.append({**agent_v0(agent), **counts, "framework_ids": ids})
    return {**_names(leader), "slaves": agents, "frameworks": [_summary(f) for f in leader.state.frameworks.values()]}


def _summary(framework: Framework) -> Json:
    shown = framework_v0(framework)
    for left_out in ("tasks", "unreachable_tasks", "completed_tasks", "offers", "executors", "offer_constraints"):
        shown.pop(left_out)
    states = [task.state for task in [*framework.tasks.values(), *framework.completed]]
    counts = {f"TASK_{name}": states.count(f"TASK_{name}") for name in _COUNTED}
    return {**shown, **counts, "slave_ids": sorted({task.agent_id for task in framework.tasks.values()})}


def _names(leader: Leader) -> Json:
    names = {"hostname": leader.info["hostname"]}
    return {**names, "cluster": leader.flags.text("cluster")} if leader.flags.has("cluster") else names


def state(leader: Leader) -> Json:
    """/state of the leader."""
    agents = list(leader.state.agents.values())
    info = leader.info
    return {
        "version": VERSION,
        **BUILD,
        "start_time": leader.started,
        "elected_time": leader.elected_at,
        "id": info["id"],
        "pid": info["pid"],
        "capabilities": MASTER_CAPABILITIES,
        "activated_slaves": float(sum(agent.active for agent in agents)),
        "deactivated_slaves": float(sum(not agent.active for agent in agents)),
        "unreachable_slaves": float(len(leader.registrar.value.get("unreachable", {}))),
        "leader": info["pid"],
        "leader_info": {"id": info["id"], "pid": info["pid"], "port": info["port"], "hostname": info["hostname"]},
        **_names(leader),
        "flags": leader.flags.shown,
        "slaves": [agent_v0(agent) for agent in agents],
        "recovered_slaves": recovered_v0(leader.state.recovered.values()),
        **frameworks(leader),
        "orphan_tasks": [],
    }


def slaves(leader: Leader) -> Json:
    """/slaves."""
    listed = [agent_v0(agent, full=True) for agent in leader.state.agents.values()]
    return {"slaves": listed, "recovered_slaves": recovered_v0(leader.state.recovered.values())}


def frameworks(leader: Leader) -> Json:
    """/frameworks."""
    return {
        "frameworks": [framework_v0(framework) for framework in leader.state.frameworks.values()],
        "completed_frameworks": [framework_v0(framework) for framework in leader.state.completed],
        "unregistered_frameworks": [],
    }


def tasks(leader: Leader) -> Json:
    """/tasks: living, unreachable and completed ones, newest last."""
    everyone = [*leader.state.frameworks.values(), *leader.state.completed]
    return {
        "tasks": [
            task_v0(task, framework.role)
            for framework in everyone
            for task in [*framework.tasks.values(), *framework.unreachable.values(), *framework.completed]
        ]
    }


def roles(leader: Leader) -> Json:
    """/roles: those that frameworks use."""
    rows = []
    for name in sorted({framework.role for framework in leader.state.frameworks.values()}):
        members = [framework for framework in leader.state.frameworks.values() if framework.role == name]
        held = sum((framework.used() + framework.offered() for framework in members), Resources())
        ids = [framework.id for framework in members]
        rows.append({"name": name, "weight": 1.0, "resources": held.v0(), "frameworks": ids})
    return {"roles": rows}
