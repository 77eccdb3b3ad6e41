"""The part of the HTTP API that is asked for in a lab: /ping, and leader and jobs below /v1/scheduler."""

from __future__ import annotations

import time
from collections.abc import Callable

from chronos_standin.jobs import InvalidJobError, Job, normalize
from chronos_standin.scheduler import Scheduler
from mesos_framework.http_api import Answer, Request, Route

_BASE = "/v1/scheduler"


def _refused(text: str) -> Answer:
    return Answer(400, {"status": "400", "message": text})


class ChronosApi:
    """Answers requests on the leader; `defaults` are the sizes a job gets that names none."""

    def __init__(self, scheduler: Scheduler, defaults: Job, leader: Callable[[], str]) -> None:
        self._scheduler, self._defaults, self._leader = scheduler, defaults, leader

    def routes(self) -> tuple[Route, ...]:
        """Every path; the real program passes all of them on to the leader, /ping included."""
        rows = (
            ("GET", r"/ping", lambda _r: Answer(200, "pong", content_type="text/plain")),
            ("GET", rf"{_BASE}/leader", lambda _r: Answer(200, {"leader": self._leader()})),
            ("GET", rf"{_BASE}/jobs", lambda _r: Answer(200, list(self._scheduler.jobs.values()))),
            ("PUT", rf"{_BASE}/job/([^/]+)", self._known(self._run)), ("DELETE", rf"{_BASE}/job/([^/]+)", self._known(self._drop)),
            *(("POST", rf"{_BASE}/{kind}", self._put) for kind in ("iso8601", "dependency")),
        )
        return tuple(Route(method, pattern, self._locked(handler)) for method, pattern, handler in rows)

    def _locked(self, handler: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            with self._scheduler.lock:
                return handler(request)

        return answer

    def _known(self, handler: Callable[[Job, Request], Answer]) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            job = self._scheduler.jobs.get(request.groups[0])
            return handler(job, request) if job else _refused(f"Job '{request.groups[0]}' not found")

        return answer

    def _put(self, request: Request) -> Answer:
        try:
            document = request.json()
            job = normalize(document, self._defaults, self._scheduler.jobs)
        except (ValueError, InvalidJobError) as error:
            return _refused(str(error))
        if ("parents" in job) != request.path.endswith("/dependency"):
            return _refused("a job with parents belongs to /dependency, one with a schedule to /iso8601")
        self._scheduler.put(job)
        return Answer(204)

    def _run(self, job: Job, request: Request) -> Answer:
        self._scheduler.enqueue(job, time.time(), arguments=request.query.get("arguments", "").strip() or None)
        self._scheduler.tick()
        return Answer(204)

    def _drop(self, job: Job, _request: Request) -> Answer:
        self._scheduler.drop(job["name"])
        return Answer(204)
