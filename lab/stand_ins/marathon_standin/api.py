"""The part of the HTTP API that is asked for in a lab: /ping and apps, tasks and deployments below /v2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marathon_standin.apps import App, InvalidAppError, canonical, normalize
from marathon_standin.deployments import LockedError
from marathon_standin.scheduler import Scheduler
from mesos_framework.http_api import Answer, Request, Route

Json = dict[str, Any]


def _missing(app_id: str) -> Answer:
    return Answer(404, {"message": f"App '{canonical(app_id)}' does not exist"})


def _force(request: Request, default: str = "false") -> bool:
    return request.query.get("force", default).lower() == "true"


class MarathonApi:
    """Answers requests on the leader. `info` is the fixed part of /v2/info, `leader` where the leader is now."""

    def __init__(self, scheduler: Scheduler, info: Json, leader: Callable[[], str], framework_id: Callable[[], str]) -> None:
        self._scheduler, self._info, self._leader, self._framework_id = scheduler, info, leader, framework_id

    def routes(self) -> tuple[Route, ...]:
        """Every path; the real program passes all of them on to the leader, /ping included."""
        app = r"/v2/apps/(?:/)?(.+?)"
        rows = (
            ("GET", r"/ping", lambda _r: Answer(200, "pong", content_type="text/plain;charset=utf-8")),
            ("GET", r"/v2/info", self._show_info), ("GET", r"/v2/leader", lambda _r: Answer(200, {"leader": self._leader()})),
            ("GET", r"/v2/apps", self._list), ("POST", r"/v2/apps", self._create), ("PUT", r"/v2/apps", self._update_all),
            ("GET", rf"{app}/tasks", self._app_tasks),
            ("GET", app, self._show), ("PUT", app, self._put), ("DELETE", app, self._delete),
            ("GET", r"/v2/tasks", self._tasks), ("GET", r"/v2/deployments", self._list_deployments),
        )
        return tuple(Route(method, pattern, self._guarded(handler)) for method, pattern, handler in rows)

    def _guarded(self, handler: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            try:
                with self._scheduler.lock:
                    return handler(request)
            except InvalidAppError as error:
                return Answer(422, {"message": str(error), "details": error.details})
            except LockedError as error:
                return Answer(409, {"message": str(error), "deployments": [{"id": d} for d in error.deployments]})
            except ValueError as error:
                return Answer(400, {"message": "Invalid JSON", "details": str(error)})

        return answer

    def _info_of(self, app: App) -> Json:
        instances, checks = self._scheduler.of(app["id"]), len(app["healthChecks"])
        running = [i for i in instances if i.state == "TASK_RUNNING"]
        healthy = [i for i in running if checks and i.ready(checks)]
        unhealthy = [i for i in running if any(h.failures and not h.alive for h in i.health.values())]
        return {
            **app, "versionInfo": {"lastScalingAt": app["version"], "lastConfigChangeAt": app["version"]},
            "tasksStaged": len(instances) - len(running), "tasksRunning": len(running), "tasksHealthy": len(healthy),
            "tasksUnhealthy": len(unhealthy), "deployments": [{"id": d} for d in self._scheduler.deployments.of(app["id"])],
        }

    def _list(self, _request: Request) -> Answer:
        return Answer(200, {"apps": [self._info_of(a) for a in self._scheduler.apps.values()]})

    def _show(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        app = self._scheduler.apps.get(app_id)
        if app is None:
            return _missing(app_id)
        tasks = [i.shown() for i in self._scheduler.of(app_id)]
        failed = self._scheduler.last_failures.get(app_id)
        return Answer(200, {"app": {**self._info_of(app), "tasks": tasks, **({"lastTaskFailure": failed} if failed else {})}})

    def _create(self, request: Request) -> Answer:
        app = normalize(request.json())
        if app["id"] in self._scheduler.apps:
            return Answer(409, {"message": f"An app with id [{app['id']}] already exists."})
        _, deployment = self._scheduler.change(app["id"], app, "StartApplication", force=_force(request))
        headers = {"Location": app["id"], "Marathon-Deployment-Id": deployment}
        return Answer(201, self._info_of(self._scheduler.apps[app["id"]]), headers)

    def _put(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        previous = self._scheduler.apps.get(app_id)
        document = request.json()
        app = normalize({**document, "id": app_id} if isinstance(document, dict) else document, previous)
        return self._changed(app_id, app, "RestartApplication" if previous else "StartApplication", request)

    def _update_all(self, request: Request) -> Answer:
        documents = request.json()
        apps = [normalize(d, self._scheduler.apps.get(canonical(str(d.get("id", ""))))) for d in documents]
        answers = [self._changed(a["id"], a, "RestartApplication", request) for a in apps]
        return answers[-1] if answers else Answer(422, {"message": "Object is not valid", "details": []})

    def _changed(self, app_id: str, app: App | None, action: str, request: Request, *, forced: str = "false") -> Answer:
        new = app_id not in self._scheduler.apps
        version, deployment = self._scheduler.change(app_id, app, action, force=_force(request, forced))
        return Answer(201 if new else 200, {"version": version, "deploymentId": deployment}, {"Marathon-Deployment-Id": deployment})

    def _delete(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        if app_id not in self._scheduler.apps:
            return _missing(app_id)
        return self._changed(app_id, None, "StopApplication", request, forced="true")

    def _app_tasks(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        if app_id not in self._scheduler.apps:
            return _missing(app_id)
        return Answer(200, {"tasks": [i.shown() for i in self._scheduler.of(app_id)]})

    def _tasks(self, _request: Request) -> Answer:
        return Answer(200, {"tasks": [i.shown() for i in self._scheduler.instances.values()]})

    def _list_deployments(self, _request: Request) -> Answer:
        return Answer(200, [d.shown() for d in self._scheduler.deployments.open.values()])

    def _show_info(self, _request: Request) -> Answer:
        return Answer(200, {**self._info, "elected": True, "leader": self._leader(), "frameworkId": self._framework_id() or None})
