"""The agent's JSON: /state, /containers and the v1 calls."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mesos_standin import metrics
from mesos_standin.agent.executor import Executor
from mesos_standin.master.state import Task
from mesos_standin.master.views import AGENT_CAPABILITIES, task_v0
from mesos_standin.process import BUILD, VERSION
from mesos_standin.resources import Resources, attributes_v0, from_v1

if TYPE_CHECKING:
    from mesos_standin.agent.agent import Agent

Json = dict[str, Any]
_EXECUTOR_RESOURCES = Resources({"cpus": 0.1, "mem": 32.0})


def state(agent: Agent) -> Json:
    """/state."""
    total = from_v1(agent.info["resources"])
    shown: Json = {
        "version": VERSION,
        **BUILD,
        "start_time": agent.started,
        "id": agent.tasks.agent_id,
        "pid": agent.pid,
        "hostname": agent.info["hostname"],
        "capabilities": AGENT_CAPABILITIES,
        "resources": total.v0(),
        "reserved_resources": {},
        "unreserved_resources": total.v0(),
        "reserved_resources_full": {},
        "unreserved_resources_full": total.v1(role="*"),
        "reserved_resources_allocated": {},
        "unreserved_resources_allocated": agent.tasks.used().v0(),
        "resource_providers": [],
        "attributes": attributes_v0(agent.info["attributes"]),
        "flags": agent.flags.shown,
        "frameworks": frameworks(agent.tasks.executors.values(), "executors"),
        "completed_frameworks": frameworks(agent.tasks.completed, "completed_executors"),
    }
    if agent.master_hostname:
        shown["master_hostname"] = agent.master_hostname
    if agent.tasks.drain_config:
        shown["drain_config"] = agent.tasks.drain_config
        shown["estimated_drain_start_time_seconds"] = int(agent.drain_began)
    return shown


def frameworks(executors: Iterable[Executor], place: str) -> list[Json]:
    """Frameworks with their executors under `place` (executors or completed_executors)."""
    rows: dict[str, Json] = {}
    for executor in executors:
        info = executor.record["framework"]
        row: Json = {
            "id": executor.framework_id,
            "name": info.get("name", ""),
            "user": info.get("user", ""),
            "failover_timeout": float(info.get("failover_timeout", 0.0)),
            "checkpoint": bool(info.get("checkpoint", False)),
            "hostname": info.get("hostname", ""),
            "role": (info.get("roles") or [info.get("role", "*")])[0],
            "executors": [],
            "completed_executors": [],
        }
        rows.setdefault(executor.framework_id, row)[place].append(_executor(executor, row["role"]))
    return list(rows.values())


def _executor(executor: Executor, role: str) -> Json:
    shown = task_v0(task_of(executor), role)
    command = str(executor.record["task"].get("command", {}).get("value", ""))
    short = command if len(command) <= 15 else command[:12] + "..."
    ended = executor.ended and executor.updates.done
    return {
        "id": executor.task_id,
        "name": f"Command Executor (Task: {executor.task_id}) (Command: sh -c '{short}')",
        "source": executor.task_id,
        "container": executor.record["container_id"],
        "directory": executor.record["sandbox"],
        "resources": _EXECUTOR_RESOURCES.v0(),
        "role": role,
        "tasks": [] if ended else [shown],
        "queued_tasks": [],
        "completed_tasks": [shown] if ended else [],
    }


def task_of(executor: Executor) -> Task:
    """The task as the master's views take it."""
    record = executor.record
    return Task(record["task"], executor.framework_id, executor.updates.state, record["statuses"])


def containers(executors: Iterable[Executor]) -> list[Json]:
    """/containers: the living ones."""
    return [
        {
            "container_id": executor.record["container_id"],
            "executor_id": executor.task_id,
            "executor_name": f"Command Executor (Task: {executor.task_id})",
            "framework_id": executor.framework_id,
            "source": executor.task_id,
            "statistics": _statistics(executor),
            "status": (executor.updates.known or [{}])[-1].get("container_status", {}),
        }
        for executor in executors
    ]


def _statistics(executor: Executor) -> Json:
    scalars = from_v1(executor.record["task"].get("resources", [])).scalars
    limits = {"cpus_limit": scalars.get("cpus", 0.0), "mem_limit_bytes": int(scalars.get("mem", 0.0) * 1024 * 1024)}
    return {"timestamp": time.time(), **limits}


def system_metrics(agent: Agent) -> dict[str, float]:
    """/metrics/snapshot. slave/registered is 1 as soon as a master is detected, registered or not (item 8)."""
    total, used = from_v1(agent.info["resources"]).scalars, agent.tasks.used().scalars
    states = [executor.updates.state for executor in agent.tasks.executors.values()]
    ended = [executor.updates.state for executor in agent.tasks.completed]
    values: dict[str, float] = {
        "slave/registered": agent.link.master is not None,
        "slave/uptime_secs": time.time() - agent.started,
        "slave/recovery_time_secs": agent.recovery_seconds,
        "slave/executors_running": len(agent.tasks.living()),
        "slave/frameworks_active": len({executor.framework_id for executor in agent.tasks.executors.values()}),
    }
    for name in ("cpus", "mem", "disk", "gpus"):
        values[f"slave/{name}_total"], values[f"slave/{name}_used"] = total.get(name, 0), used.get(name, 0)
        values[f"slave/{name}_percent"] = used.get(name, 0) / total[name] if total.get(name) else 0
    for name in ("staging", "starting", "running", "killing", "finished", "failed", "killed", "lost"):
        values[f"slave/tasks_{name}"] = [*states, *ended].count(f"TASK_{name.upper()}")
    return metrics.snapshot("agent", values)
