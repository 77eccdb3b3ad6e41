"""POST /api/v1: the operator API with the recorded codes and texts."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from mesos_standin import metrics, web
from mesos_standin.master import views, views_v1
from mesos_standin.master.draining import Refused
from mesos_standin.master.numbers import system_metrics
from mesos_standin.master.state import Framework, Json
from mesos_standin.process import BUILD, VERSION

if TYPE_CHECKING:
    from mesos_standin.master.leader import Leader

_JSON = "application/json"


def parse_call(request: web.Request, known: list[str], what: str) -> Json:
    """The call of a v1 request; Refused with the recorded texts when headers, JSON or type are wrong."""
    content_type = request.headers.get("content-type", "")
    if not content_type:
        raise Refused(400, "Expecting 'Content-Type' to be present")
    if not content_type.startswith(_JSON):
        raise Refused(415, "Expecting 'Content-Type' of application/json or application/x-protobuf")
    accept = request.headers.get("accept", "*/*")
    if not any(kind in accept for kind in (_JSON, "application/*", "*/*")):
        raise Refused(406, "Expecting 'Accept' to allow 'application/x-protobuf' or 'application/json'")
    try:
        call = json.loads(request.body)
    except ValueError:
        raise Refused(400, "Failed to parse body into JSON: syntax error at line 1 near: ") from None
    if not isinstance(call, dict) or call.get("type") not in known:
        raise Refused(400, f"Failed to validate {what}::Call: Expecting 'type' to be present")
    return call


def flags_v1(shown: dict[str, str]) -> list[Json]:
    """GET_FLAGS' list."""
    return [{"name": name, "value": value} for name, value in sorted(shown.items())]


def version_v1() -> Json:
    """GET_VERSION's content."""
    return {"version_info": {"version": VERSION, **BUILD}}


class Operator:
    """One method per group of calls; the table says which call is answered how."""

    def __init__(self, leader: Leader) -> None:
        self._leader = leader
        drain, maintenance = leader.draining, leader.maintenance
        self._reads: dict[str, Callable[[], Any]] = {
            "GET_HEALTH": lambda: {"healthy": True},
            "GET_FLAGS": lambda: {"flags": flags_v1(leader.flags.shown)},
            "GET_VERSION": version_v1,
            "GET_METRICS": lambda: {"metrics": metrics.v1(system_metrics(leader))},
            "GET_LOGGING_LEVEL": lambda: {"level": 0},
            "GET_MASTER": self._master,
            "GET_AGENTS": self._agents,
            "GET_FRAMEWORKS": self._frameworks,
            "GET_TASKS": self._tasks,
            "GET_EXECUTORS": lambda: {"executors": []},
            "GET_OPERATIONS": dict,
            "GET_ROLES": self._roles,
            "GET_QUOTA": lambda: {"status": {}},
            "GET_WEIGHTS": lambda: None,
            "GET_MAINTENANCE_SCHEDULE": lambda: {"schedule": maintenance.schedule()},
            "GET_MAINTENANCE_STATUS": lambda: {"status": maintenance.status()},
            "GET_STATE": self._state,
        }
        self._writes: dict[str, Callable[[Json], Awaitable[None]]] = {
            "DRAIN_AGENT": lambda call: drain.drain(call["agent_id"]["value"], _drain_config(call)),
            "DEACTIVATE_AGENT": lambda call: drain.deactivate(call["agent_id"]["value"]),
            "REACTIVATE_AGENT": lambda call: drain.reactivate(call["agent_id"]["value"]),
            "MARK_AGENT_GONE": lambda call: drain.mark_gone(call["agent_id"]["value"]),
            "UPDATE_MAINTENANCE_SCHEDULE": lambda call: maintenance.replace_schedule(call["schedule"]),
            "START_MAINTENANCE": lambda call: maintenance.down(call["machines"]),
            "STOP_MAINTENANCE": lambda call: maintenance.up(call["machines"]),
            "TEARDOWN": self._teardown,
        }

    async def answer(self, request: web.Request) -> web.Response:
        """Answers one call."""
        call = parse_call(request, [*self._reads, *self._writes], "master")
        kind = call["type"]
        if kind in self._reads and kind != "GET_METRICS":
            content = self._reads[kind]()
            return web.as_json({"type": kind} if content is None else {"type": kind, kind.lower(): content})
        field = kind.lower()
        if field not in call:
            raise Refused(400, f"Failed to validate master::Call: Expecting '{field}' to be present")
        if kind == "GET_METRICS":
            return web.as_json({"type": kind, field: self._reads[kind]()})
        await self._writes[kind](call[field])
        return web.Response()

    def _master(self) -> Json:
        leader = self._leader
        return {"master_info": leader.info, "start_time": leader.started, "elected_time": leader.elected_at}

    def _agents(self) -> Json:
        recovered = [entry["info"] for entry in self._leader.state.recovered.values()]
        agents = self._leader.state.agents.values()
        return {"agents": [views_v1.agent_v1(agent) for agent in agents], "recovered_agents": recovered}

    def _frameworks(self) -> Json:
        state = self._leader.state
        shown = [views_v1.framework_v1(framework) for framework in state.frameworks.values()]
        completed = [views_v1.framework_v1(framework) for framework in state.completed]
        return {"frameworks": shown, "completed_frameworks": completed}

    def _tasks(self) -> Json:
        state = self._leader.state
        living: list[Framework] = list(state.frameworks.values())
        rows: Json = {"tasks": [], "unreachable_tasks": [], "completed_tasks": []}
        for framework in [*living, *state.completed]:
            role = framework.role
            rows["tasks"] += [views_v1.task_v1(task, role) for task in framework.tasks.values()]
            rows["unreachable_tasks"] += [views_v1.task_v1(task, role) for task in framework.unreachable.values()]
            rows["completed_tasks"] += [views_v1.task_v1(task, role) for task in framework.completed]
        return rows

    def _roles(self) -> Json:
        names = [row["name"] for row in views.roles(self._leader)["roles"]]
        return {"roles": [{"name": name, "weight": 1.0} for name in names]} if names else {}

    def _state(self) -> Json:
        parts = {"get_tasks": self._tasks(), "get_executors": {"executors": []}}
        return {**parts, "get_frameworks": self._frameworks(), "get_agents": self._agents()}

    async def _teardown(self, call: Json) -> None:
        teardown(self._leader, call["framework_id"]["value"])


def teardown(leader: Leader, framework_id: str) -> None:
    """Removes a framework, subscribed or recovered; Refused when there is none."""
    framework = leader.state.frameworks.get(framework_id)
    if framework is None:
        raise Refused(400, "No framework found with specified ID")
    leader.frameworks.remove(framework)


def _drain_config(call: Json) -> Json:
    config: Json = {}
    grace = call.get("max_grace_period")
    if isinstance(grace, str):
        field = "Not expecting a JSON string for field 'max_grace_period'"
        raise Refused(400, f"Failed to convert JSON into Call protobuf: {field}")
    if grace is not None:
        seconds = float(grace.get("seconds", 0)) + float(grace.get("nanoseconds", grace.get("nanos", 0))) / 1e9
        config["max_grace_period"] = views_v1.nanoseconds(seconds)
    return {**config, "mark_gone": bool(call.get("mark_gone", False))}
