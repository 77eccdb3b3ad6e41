"""The agent's HTTP server: health, state, the v1 calls, and what the master sends to its address."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mesos_standin import credentials, metrics, web
from mesos_standin.agent import views
from mesos_standin.master.draining import Refused
from mesos_standin.master.operator_api import flags_v1, parse_call, version_v1
from mesos_standin.master.views_v1 import task_v1
from mesos_standin.process import BUILD, VERSION

if TYPE_CHECKING:
    from mesos_standin.agent.agent import Agent

Json = dict[str, Any]
_OPEN = {"/health", "/version", "/__processes__", "/system/stats.json"}


class Routes:
    """Answers requests to the agent; paths with and without /slave(1)."""

    def __init__(self, agent: Agent, principals: dict[str, str]) -> None:
        self._agent = agent
        self._principals = principals
        tasks = agent.tasks
        self._views: dict[str, Callable[[], web.Response]] = {
            "/health": web.Response,
            "/version": lambda: web.as_json({**BUILD, "version": VERSION}),
            "/flags": lambda: web.as_json({"flags": agent.flags.shown}),
            "/state": lambda: web.as_json(views.state(agent)),
            "/metrics/snapshot": lambda: web.as_json(views.system_metrics(agent)),
            "/containers": lambda: web.as_json(views.containers(tasks.living())),
            "/monitor/statistics": lambda: web.as_json(views.containers(tasks.living())),
            "/files/debug": lambda: web.as_json({}),
            "/system/stats.json": lambda: web.as_json(metrics.stats()),
            "/__processes__": lambda: web.as_json([{"id": "slave(1)", "events": []}]),
        }
        self._calls: dict[str, Callable[[], Any]] = {
            "GET_HEALTH": lambda: {"healthy": True},
            "GET_FLAGS": lambda: {"flags": flags_v1(agent.flags.shown)},
            "GET_VERSION": version_v1,
            "GET_METRICS": lambda: {"metrics": metrics.v1(views.system_metrics(agent))},
            "GET_AGENT": lambda: {"agent_info": agent.full_info()},
            "GET_STATE": self._state,
            "GET_TASKS": self._tasks,
            "GET_EXECUTORS": self._executors,
            "GET_FRAMEWORKS": self._frameworks,
            "GET_CONTAINERS": self._containers,
            "GET_RESOURCE_PROVIDERS": dict,
            "GET_OPERATIONS": dict,
        }

    async def answer(self, request: web.Request) -> web.Answer:
        """Answers one request."""
        path = request.path[len("/slave(1)") :] if request.path.startswith("/slave(1)/") else request.path
        if path in ("/standin/ping", "/standin/shutdown"):
            return self._from_master(path, json.loads(request.body))
        if path != "/api/v1" and path not in self._views:
            return web.NOT_FOUND
        refusal = self._refusal(path, request)
        if refusal:
            return refusal
        if path in self._views:
            return self._views[path]()
        if request.method != "POST":
            return web.method_not_allowed(request)
        try:
            return self._call(request)
        except Refused as refused:
            return web.text(refused.status, str(refused))

    def _refusal(self, path: str, request: web.Request) -> web.Response | None:
        realm = "readwrite" if path == "/api/v1" else "readonly"
        if path in _OPEN or not self._agent.flags.on(f"authenticate_http_{realm}"):
            return None
        if credentials.basic_principal(request.headers.get("authorization", ""), self._principals) is not None:
            return None
        return web.text(401, "401 Unauthorized.", WWW_Authenticate=f'Basic realm="mesos-agent-{realm}"')

    def _from_master(self, path: str, form: Json) -> web.Response:
        if path == "/standin/ping":
            self._agent.link.pinged(form["from"], form["connected"] or form["agent_id"] != self._agent.tasks.agent_id)
        elif form["from"] == self._agent.link.master:
            self._agent.asked_to_shut_down(form["from"], form["message"])
        return web.Response()

    def _call(self, request: web.Request) -> web.Response:
        call = parse_call(request, list(self._calls), "agent")
        kind = call["type"]
        if kind == "GET_METRICS" and "get_metrics" not in call:
            raise Refused(400, "Failed to validate agent::Call: Expecting 'get_metrics' to be present")
        content = self._calls[kind]()
        return web.as_json({"type": kind} if content is None else {"type": kind, kind.lower(): content})

    def _tasks(self) -> Json:
        rows: Json = {name: [] for name in ("pending_tasks", "queued_tasks")}
        living, ended = self._agent.tasks.living(), self._agent.tasks.executors.values()
        rows["launched_tasks"] = [task_v1(views.task_of(executor), "*") for executor in living]
        rows["terminated_tasks"] = [task_v1(views.task_of(executor), "*") for executor in ended if executor.ended]
        rows["completed_tasks"] = [task_v1(views.task_of(e), "*") for e in self._agent.tasks.completed]
        return rows

    def _executors(self) -> Json:
        def shown(executor: Any) -> Json:
            info = {"executor_id": {"value": executor.task_id}, "framework_id": {"value": executor.framework_id}}
            return {"executor_info": info}

        living, completed = self._agent.tasks.living(), self._agent.tasks.completed
        return {"executors": [shown(e) for e in living], "completed_executors": [shown(e) for e in completed]}

    def _frameworks(self) -> Json:
        def infos(executors: Any) -> list[Json]:
            known = {executor.framework_id: executor.record["framework"] for executor in executors}
            return [{"framework_info": info} for info in known.values()]

        tasks = self._agent.tasks
        return {"frameworks": infos(tasks.executors.values()), "completed_frameworks": infos(tasks.completed)}

    def _containers(self) -> Json | None:
        rows = views.containers(self._agent.tasks.living())
        for row in rows:
            for field in ("container_id", "executor_id", "framework_id"):
                row[field] = {"value": row[field]}
            row["container_status"] = row.pop("status")
            row["resource_statistics"] = row.pop("statistics")
        return {"containers": rows} if rows else None

    def _state(self) -> Json:
        parts = {"get_tasks": self._tasks(), "get_executors": self._executors()}
        return {**parts, "get_frameworks": self._frameworks()}
