"""The HTTP API: /ping, /metrics and /v2."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from mesos_framework.http_api import Answer, Request, Route

from marathon_standin.apps import App, InvalidAppError, canonical, normalize
from marathon_standin.deployments import LockedError
from marathon_standin.instances import Instance, timestamp
from marathon_standin.scheduler import Scheduler

Json = dict[str, Any]
#: Time between the answer to an abdication and the end of the process.
ABDICATION_SECONDS = 0.5


def _missing(app_id: str) -> Answer:
    return Answer(404, {"message": f"App '{canonical(app_id)}' does not exist"})


def _force(request: Request, default: str = "false") -> bool:
    return request.query.get("force", default).lower() == "true"


class MarathonApi:
    """Answers requests on the leader. `info` is the fixed part of /v2/info, `leader` where the leader is now."""

    def __init__(
        self, scheduler: Scheduler, info: Json, leader: Callable[[], str], framework_id: Callable[[], str],
        abdicate: Callable[[], None],
    ) -> None:
        self._scheduler, self._info = scheduler, info
        self._leader, self._framework_id, self._abdicate = leader, framework_id, abdicate

    def routes(self) -> tuple[Route, ...]:
        """Every path; the real program passes all of them on to the leader, /ping included."""
        app = r"/v2/apps/(?:/)?(.+?)"
        rows = (
            ("GET", r"/ping", lambda _r: Answer(200, "pong", content_type="text/plain;charset=utf-8")),
            ("GET", r"/metrics", self._metrics), ("GET", r"/v2/info", self._show_info),
            ("GET", r"/v2/leader", lambda _r: Answer(200, {"leader": self._leader()})),
            ("DELETE", r"/v2/leader", self._abdicated),
            ("GET", r"/v2/apps", self._list), ("POST", r"/v2/apps", self._create), ("PUT", r"/v2/apps", self._update_all),
            ("GET", rf"{app}/tasks", self._app_tasks), ("DELETE", rf"{app}/tasks", self._kill_all),
            ("DELETE", rf"{app}/tasks/([^/]+)", self._kill_one), ("POST", rf"{app}/restart", self._restart),
            ("GET", app, self._show), ("PUT", app, self._put), ("PATCH", app, self._patch), ("DELETE", app, self._delete),
            ("GET", r"/v2/tasks", self._tasks), ("GET", r"/v2/queue", self._queue), ("GET", r"/v2/groups", self._groups),
            ("GET", r"/v2/deployments", self._list_deployments), ("DELETE", r"/v2/deployments/([^/]+)", self._cancel),
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

    def _list(self, request: Request) -> Answer:
        wanted = request.query.get("id", "")
        labels = [label.partition("==")[::2] for label in request.query.get("label", "").split(",") if label]
        found = [
            self._info_of(a) for a in self._scheduler.apps.values()
            if wanted in a["id"] and all(k in a["labels"] and v in ("", a["labels"][k]) for k, v in labels)
        ]
        return Answer(200, {"apps": found})

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
        return self._update(request, create=True)

    def _patch(self, request: Request) -> Answer:
        return self._update(request, create=False)

    def _update(self, request: Request, *, create: bool) -> Answer:
        app_id = canonical(request.groups[0])
        previous = self._scheduler.apps.get(app_id)
        if previous is None and not create:
            return _missing(app_id)
        partial = request.query.get("partialUpdate", "true").lower() == "true"
        document = request.json()
        app = normalize({**document, "id": app_id} if isinstance(document, dict) else document, previous if partial else None)
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

    def _restart(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        app = self._scheduler.apps.get(app_id)
        # A marker that no definition holds makes it a new version.
        return self._changed(app_id, {**app, "restarted": timestamp()}, "RestartApplication", request) if app else _missing(app_id)

    def _app_tasks(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        if app_id not in self._scheduler.apps:
            return _missing(app_id)
        return Answer(200, {"tasks": [i.shown() for i in self._scheduler.of(app_id)]})

    def _tasks(self, request: Request) -> Answer:
        wanted = {"running": "TASK_RUNNING", "staging": "TASK_STAGING"}.get(request.query.get("status", ""), "")
        return Answer(200, {"tasks": [i.shown() for i in self._scheduler.instances.values() if wanted in i.state]})

    def _kill_all(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        if app_id not in self._scheduler.apps:
            return _missing(app_id)
        return self._kill(app_id, self._scheduler.of(app_id), request, one=False)

    def _kill_one(self, request: Request) -> Answer:
        app_id = canonical(request.groups[0])
        found = [i for i in self._scheduler.of(app_id) if request.groups[1] in (i.task_id, i.instance_id)]
        if not found:
            return Answer(404, {"message": f"Task '{request.groups[1]}' does not exist"})
        return self._kill(app_id, found, request, one=True)

    def _kill(self, app_id: str, instances: list[Instance], request: Request, *, one: bool) -> Answer:
        shown = [i.shown() for i in instances]
        for instance in instances:
            self._scheduler.kill(instance)
        if request.query.get("scale", "").lower() == "true":
            app = self._scheduler.apps[app_id]
            smaller = {**app, "instances": max(0, app["instances"] - len(instances))}
            return self._changed(app_id, smaller, "ScaleApplication", request, forced="true")
        return Answer(200, {"task": shown[0]} if one else {"tasks": shown})

    def _queue(self, _request: Request) -> Answer:
        now, rows = time.time(), []
        for app in self._scheduler.apps.values():
            missing = app["instances"] - sum(not i.killing_at for i in self._scheduler.of(app["id"]))
            if missing > 0:
                backoff = self._scheduler.backoffs.get(app["id"])
                left = max(0, int(backoff.until - now)) if backoff else 0
                rows.append({"app": app, "count": missing, "delay": {"timeLeftSeconds": left, "overdue": not left}})
        return Answer(200, {"queue": rows})

    def _groups(self, _request: Request) -> Answer:
        apps = [self._info_of(a) for a in self._scheduler.apps.values()]
        version = max((a["version"] for a in apps), default=timestamp(0))
        return Answer(200, {"id": "/", "apps": apps, "groups": [], "pods": [], "dependencies": [], "version": version})

    def _list_deployments(self, _request: Request) -> Answer:
        return Answer(200, [d.shown() for d in self._scheduler.deployments.open.values()])

    def _cancel(self, request: Request) -> Answer:
        deployment = self._scheduler.deployments.open.get(request.groups[0])
        if deployment is None:
            return Answer(404, {"message": f"DeploymentPlan {request.groups[0]} does not exist"})
        if _force(request):
            self._scheduler.deployments.finish(deployment.app_id)
            return Answer(202)
        action = "RestartApplication" if deployment.previous else "StopApplication"
        return self._changed(deployment.app_id, deployment.previous, action, request, forced="true")

    def _show_info(self, _request: Request) -> Answer:
        return Answer(200, {**self._info, "elected": True, "leader": self._leader(), "frameworkId": self._framework_id() or None})

    def _abdicated(self, _request: Request) -> Answer:
        threading.Timer(ABDICATION_SECONDS, self._abdicate).start()
        return Answer(200, {"message": "Leadership abdicated"})

    def _metrics(self, _request: Request) -> Answer:
        instances = self._scheduler.instances.values()
        gauges = {
            "marathon.apps.active.gauge": len(self._scheduler.apps),
            "marathon.deployments.active.gauge": len(self._scheduler.deployments.open),
            "marathon.instances.running.gauge": sum(i.state == "TASK_RUNNING" for i in instances),
            "marathon.instances.staged.gauge": sum(i.state != "TASK_RUNNING" for i in instances),
        }
        shown = {name: {"value": value} for name, value in gauges.items()}
        return Answer(200, {"version": "4.0.0", "gauges": shown, "counters": {}, "histograms": {}, "meters": {}, "timers": {}})
