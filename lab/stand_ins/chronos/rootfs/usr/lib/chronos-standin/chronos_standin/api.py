"""The HTTP API: /ping, /metrics and /v1/scheduler."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from mesos_framework.http_api import Answer, Request, Route

from chronos_standin.jobs import InvalidJobError, Job, last_state, normalize
from chronos_standin.scheduler import Scheduler

Json = dict[str, Any]
_BASE = "/v1/scheduler"


def _refused(text: str) -> Answer:
    return Answer(400, {"status": "400", "message": text})


def _percentile(values: list[float], name: str) -> float | None:
    if name == "mean":
        return statistics.fmean(values)
    if name == "median":
        return statistics.median(values)
    share = {"75thPercentile": 75, "95thPercentile": 95, "98thPercentile": 98, "99thPercentile": 99}.get(name)
    return sorted(values)[min(len(values) - 1, len(values) * share // 100)] if share else None


class ChronosApi:
    """Answers requests on the leader; `defaults` are the sizes a job gets that names none."""

    def __init__(self, scheduler: Scheduler, defaults: Job, leader: Callable[[], str]) -> None:
        self._scheduler, self._defaults, self._leader = scheduler, defaults, leader

    def routes(self) -> tuple[Route, ...]:
        """Every path; the real program passes all of them on to the leader, /ping included."""
        rows = (
            ("GET", r"/ping", lambda _r: Answer(200, "pong", content_type="text/plain")),
            ("GET", r"/metrics", self._metrics),
            ("GET", rf"{_BASE}/leader", lambda _r: Answer(200, {"leader": self._leader()})),
            ("GET", rf"{_BASE}/jobs", lambda _r: Answer(200, list(self._scheduler.jobs.values()))),
            ("GET", rf"{_BASE}/jobs/summary", self._summary), ("GET", rf"{_BASE}/jobs/search", self._search),
            ("GET", rf"{_BASE}/job/stat/([^/]+)", self._known(self._stat)),
            ("PUT", rf"{_BASE}/job/success/([^/]+)", self._success),
            ("GET", rf"{_BASE}/job/([^/]+)", self._known(lambda job, _r: Answer(200, job))),
            ("PUT", rf"{_BASE}/job/([^/]+)", self._known(self._run)),
            ("DELETE", rf"{_BASE}/job/([^/]+)", self._known(self._drop)),
            ("DELETE", rf"{_BASE}/task/kill/([^/]+)", self._known(self._kill)),
            ("GET", rf"{_BASE}/graph/csv", self._csv), ("GET", rf"{_BASE}/graph/dot", self._dot),
            ("GET", rf"{_BASE}/stats/([^/]+)", self._stats),
            *((method, rf"{_BASE}/{kind}", self._put) for method in ("POST", "PUT") for kind in ("iso8601", "dependency")),
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

    def _kill(self, job: Job, _request: Request) -> Answer:
        self._scheduler.kill(job["name"])
        return Answer(204)

    def _success(self, request: Request) -> Answer:
        job = self._scheduler.jobs.get(request.groups[0])
        if job:
            self._scheduler.succeed(job)
        found = str(job is not None).lower()
        return Answer(200, f"marked job {request.groups[0]} as successful: {found}", content_type="text/plain")

    def _summary(self, _request: Request) -> Answer:
        rows = [
            {"name": j["name"], "status": last_state(j), "state": self._scheduler.state(j["name"]),
             "schedule": j.get("schedule", ""), "parents": j.get("parents", []), "disabled": j["disabled"]}
            for j in self._scheduler.jobs.values()
        ]
        return Answer(200, {"jobs": rows})

    def _search(self, request: Request) -> Answer:
        def matches(job: Job) -> bool:
            name, command = job["name"].lower(), job["command"].lower()
            wanted = {k: request.query.get(k, "").lower() for k in ("name", "command", "any")}
            return wanted["name"] in name and wanted["command"] in command and wanted["any"] in f"{name} {command}"

        limit, offset = int(request.query.get("limit") or 10), int(request.query.get("offset") or 0)
        return Answer(200, [j for j in self._scheduler.jobs.values() if matches(j)][offset : offset + limit])

    def _stat(self, job: Job, _request: Request) -> Answer:
        times = self._scheduler.durations.get(job["name"], [])
        return Answer(200, {"histogram": {"count": len(times)}, "numResults": 0, "taskStatHistory": []})

    def _stats(self, request: Request) -> Answer:
        told = {n: _percentile(v, request.groups[0]) for n, v in self._scheduler.durations.items() if n in self._scheduler.jobs}
        rows = [{"jobNameLabel": name, "time": value} for name, value in told.items() if value is not None]
        return Answer(200, sorted(rows, key=lambda r: -float(str(r["time"]))))

    def _links(self) -> list[tuple[str, str]]:
        return [(parent, j["name"]) for j in self._scheduler.jobs.values() for parent in j.get("parents", [])]

    def _csv(self, _request: Request) -> Answer:
        nodes = [f"node,{n},{last_state(j)},{self._scheduler.state(n)}\n" for n, j in self._scheduler.jobs.items()]
        links = [f"link,{parent},{child}\n" for parent, child in self._links()]
        return Answer(200, "".join([*nodes, *links]), content_type="text/plain")

    def _dot(self, _request: Request) -> Answer:
        lines = [*(f'  "{n}"' for n in self._scheduler.jobs), *(f'  "{a}" -> "{b}"' for a, b in self._links())]
        return Answer(200, "\n".join(["digraph G {", *lines, "}"]) + "\n", content_type="text/plain")

    def _metrics(self, _request: Request) -> Answer:
        running = sum(r["state"] != "QUEUED" for r in self._scheduler.runs.values())
        gauges = {"chronos.jobs": len(self._scheduler.jobs), "chronos.tasks.running": running}
        shown: Json = {name: {"value": value} for name, value in gauges.items()}
        return Answer(200, {"version": "3.0.0", "gauges": shown, "counters": {}, "histograms": {}, "meters": {}, "timers": {}})
