"""Which path is answered by whom: authentication, leadership, redirects (contract items 7, 9, 11 and 24)."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Any

from mesos_standin import credentials, metrics, web
from mesos_standin.master import views
from mesos_standin.master.draining import Refused
from mesos_standin.master.leader import Leader
from mesos_standin.master.numbers import system_metrics
from mesos_standin.master.operator_api import Operator, teardown
from mesos_standin.master.scheduler_api import Scheduler
from mesos_standin.process import BUILD, VERSION

View = Callable[[Leader], Any]
_VIEWS: dict[str, View] = {
    "/state": views.state,
    "/state-summary": views.summary,
    "/slaves": views.slaves,
    "/frameworks": views.frameworks,
    "/tasks": views.tasks,
    "/roles": views.roles,
    "/quota": lambda leader: {},
    "/weights": lambda leader: [],
    "/maintenance/status": lambda leader: leader.maintenance.status(),
}
_READ_WRITE = {
    "/api/v1", "/logging/toggle", "/maintenance/schedule", "/machine/down", "/machine/up", "/teardown", "/quota",
    "/weights",
}  # fmt: skip
_OPEN = {"/health", "/redirect", "/version", "/__processes__", "/", "/system/stats.json"}
_SCHEDULER = "/api/v1/scheduler"
_NO_LEADER = web.text(503, "No leader elected")
_RECOVERING = web.text(503, "Master has not finished recovery")


class Routes:
    """The master's HTTP server. `leading` gives the leader's host:port as ZooKeeper knows it, '' when unknown."""

    def __init__(self, leader: Leader, leading: Callable[[], str]) -> None:
        self._leader = leader
        self._leading = leading
        self._operator = Operator(leader)
        self._scheduler = Scheduler(leader)
        self._local: dict[str, Callable[[], web.Response]] = {
            "/health": web.Response,
            "/version": lambda: web.as_json({**BUILD, "version": VERSION}),
            "/flags": lambda: web.as_json({"flags": leader.flags.shown}),
            "/metrics/snapshot": lambda: web.as_json(system_metrics(leader)),
            "/redirect": self._redirect,
            "/logging/toggle": lambda: web.text(200, "0"),
            "/files/debug": lambda: web.as_json({}),
            "/__processes__": lambda: web.as_json([{"id": "master", "events": []}]),
            "/system/stats.json": lambda: web.as_json(metrics.stats()),
            "/": lambda: web.Response(200, b"<html><body>Mesos stand-in</body></html>", "text/html"),
        }
        self._posts: dict[str, Callable[[web.Request], Awaitable[web.Answer]]] = {
            "/api/v1": self._operator.answer,
            "/maintenance/schedule": self._schedule,
            "/machine/down": self._machines,
            "/machine/up": self._machines,
            "/teardown": self._teardown,
        }

    async def answer(self, request: web.Request) -> web.Answer:
        """Answers one request."""
        if request.path.startswith("/standin/"):
            return await self._private(request)
        path = request.path[len("/master") :] if request.path.startswith("/master/") else request.path
        if path not in self._local and path not in _VIEWS and path not in self._posts and path != _SCHEDULER:
            return web.NOT_FOUND
        principal, refusal = self._authenticate(path, request)
        if refusal:
            return refusal
        if path in self._local:
            return self._local[path]()
        if not self._leader.elected:
            return self._redirect(f"/master{path}")
        try:
            return await self._answer_as_leader(path, request, principal)
        except Refused as refused:
            return web.text(refused.status, str(refused))

    async def _answer_as_leader(self, path: str, request: web.Request, principal: str | None) -> web.Answer:
        if path in _VIEWS:
            return web.as_json(_VIEWS[path](self._leader))
        if path == "/maintenance/schedule" and request.method == "GET":
            return web.as_json(self._leader.maintenance.schedule())
        if request.method != "POST":
            return web.method_not_allowed(request)
        if not self._leader.recovered:
            return _RECOVERING
        if path == _SCHEDULER:
            return self._scheduler.answer(request, principal)
        try:
            return await self._posts[path](request)
        except (KeyError, TypeError, AttributeError) as error:
            raise Refused(400, f"Failed to convert JSON into Call protobuf: {error!r}") from None

    def _redirect(self, suffix: str = "") -> web.Response:
        leading = self._leading()
        return web.Response(307, headers={"Location": f"//{leading}{suffix}"}) if leading else _NO_LEADER

    def _authenticate(self, path: str, request: web.Request) -> tuple[str | None, web.Response | None]:
        """(principal, None) or (None, the 401); (None, None) where nobody needs to say who he is."""
        if path in _OPEN:
            return None, None
        realm = "scheduler" if path == _SCHEDULER else "readwrite" if path in _READ_WRITE else "readonly"
        flag = "authenticate_http_frameworks" if realm == "scheduler" else f"authenticate_http_{realm}"
        if not self._leader.flags.on(flag):
            return None, None
        principal = credentials.basic_principal(request.headers.get("authorization", ""), self._leader.credentials)
        if principal is not None:
            return principal, None
        return None, web.text(401, "401 Unauthorized.", WWW_Authenticate=f'Basic realm="mesos-master-{realm}"')

    async def _private(self, request: web.Request) -> web.Answer:
        form = json.loads(request.body or b"{}")
        if request.path == "/standin/log":
            return web.as_json(self._leader.registrar.replica.handle(form))
        if not self._leader.recovered:
            return web.text(503, "not leading")
        if request.path == "/standin/agent":
            return await self._leader.agents.register(form)
        return await self._leader.agents.message(form) if request.path == "/standin/agent/message" else web.NOT_FOUND

    async def _schedule(self, request: web.Request) -> web.Response:
        await self._leader.maintenance.replace_schedule(_parsed(request.body))
        return web.Response()

    async def _machines(self, request: web.Request) -> web.Response:
        machines = _parsed(request.body)
        maintenance = self._leader.maintenance
        await (maintenance.down(machines) if request.path.endswith("down") else maintenance.up(machines))
        return web.Response()

    async def _teardown(self, request: web.Request) -> web.Response:
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        if "frameworkId" not in form:
            raise Refused(400, "Missing 'frameworkId' query parameter")
        teardown(self._leader, form["frameworkId"])
        return web.Response()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise Refused(400, "syntax error at line 1 near: ") from None
