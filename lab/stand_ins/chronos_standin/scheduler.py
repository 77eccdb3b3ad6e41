"""The leader's brain: starts runs when they are due, and writes down how they ended."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chronos_standin.jobs import Job, moment, parse_task_id, task_id
from chronos_standin.schedule import parse
from chronos_standin.tasks import fits, task_info
from mesos_framework.offers import Pool
from mesos_framework.state_store import StateStore

LOG = logging.getLogger("scheduler")
Json = dict[str, Any]
FAILED = frozenset({
    "TASK_FAILED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE", "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN",
})
RECONCILE_FIRST_SECONDS = 15.0


@dataclass(frozen=True)
class Settings:
    """Flags that the scheduler follows; seconds, and a count."""

    retry_seconds: float = 60.0
    decline_seconds: float = 5.0
    revive_interval: float = 5.0
    reconcile_interval: float = 600.0
    disable_after: int = 0


class Scheduler:
    """Jobs, and their runs: waiting ones (state "QUEUED", not before `not_before`) and those that Mesos has.

    `emit` takes a Mesos call (type, body) and must not block. All methods may be called from any thread.
    """

    def __init__(self, store: StateStore, emit: Callable[[str, Json], None], settings: Settings) -> None:
        self._store, self._emit, self._settings = store, emit, settings
        self.lock = threading.RLock()
        self.jobs: dict[str, Job] = {}
        self.runs: dict[str, Json] = {}
        self._finished_parents: dict[str, list[str]] = {}
        self._revived = 0.0
        self.reconcile_at = float("inf")

    def load(self) -> None:
        """Takes over the state that the last leader stored."""
        with self.lock:
            self.jobs, self.runs = self._store.load("jobs"), self._store.load("runs")
            self._finished_parents = self._store.load("invocations")

    def of(self, name: str) -> list[Json]:
        """The runs of a job."""
        return [r for r in self.runs.values() if r["job"] == name]

    def put(self, job: Job) -> None:
        """Adds or replaces a job."""
        with self.lock:
            self.jobs[job["name"]] = job
            self._store.put("jobs", job["name"], job)
            self.tick()

    def drop(self, name: str) -> None:
        """Deletes a job and ends its runs; its children become children of its parents, or take its schedule over."""
        with self.lock:
            gone = self.jobs.pop(name)
            self._store.drop("jobs", name)
            self.kill(name)
            for child in [j for j in self.jobs.values() if name in j.get("parents", [])]:
                if "parents" in gone:
                    parents = sorted({*(p for p in child["parents"] if p != name), *gone["parents"]})
                    self.put({**child, "parents": parents})
                else:
                    rest = {k: v for k, v in child.items() if k != "parents"}
                    self.put({**rest, "schedule": gone["schedule"], "scheduleTimeZone": gone["scheduleTimeZone"]})

    def enqueue(self, job: Job, due: float, attempt: int = 0, arguments: str | None = None, delay: float = 0.0) -> None:
        """Lets a job run as soon as an offer fits, `delay` seconds from now at the earliest."""
        given = " ".join(job["arguments"]) if arguments is None else arguments
        name = task_id(job["name"], due, attempt, given)
        self._put_run(name, {"id": name, "job": job["name"], "state": "QUEUED", "not_before": time.time() + delay})

    def kill(self, name: str) -> None:
        """Ends all runs of a job."""
        for run in self.of(name):
            if run["state"] == "QUEUED":
                self._drop_run(run["id"])
            else:
                self._emit("KILL", {"kill": {"task_id": {"value": run["id"]}, "agent_id": {"value": run["agent_id"]}}})

    def on_event(self, event: Json) -> None:
        """One event of the subscription."""
        with self.lock:
            if event["type"] == "SUBSCRIBED":
                self._revived, self.reconcile_at = 0.0, time.time() + RECONCILE_FIRST_SECONDS
            elif event["type"] == "OFFERS":
                for offer in event["offers"]["offers"]:
                    self._on_offer(offer)
            elif event["type"] == "UPDATE":
                self._on_update(event["update"]["status"])
            self.tick()

    def tick(self) -> None:
        """Everything that time may call for."""
        with self.lock:
            now = time.time()
            for job in list(self.jobs.values()):
                if "schedule" in job and not job["disabled"]:
                    self._start_due(job, now)
            if self._waiting() and now - self._revived >= self._settings.revive_interval:
                self._revived = now
                self._emit("REVIVE", {})
            if now >= self.reconcile_at:
                self.reconcile_at = now + self._settings.reconcile_interval
                tasks = [
                    {"task_id": {"value": r["id"]}, "agent_id": {"value": r["agent_id"]}}
                    for r in self.runs.values() if r["state"] != "QUEUED"
                ]
                self._emit("RECONCILE", {"reconcile": {"tasks": tasks}})

    def _start_due(self, job: Job, now: float) -> None:
        at = datetime.datetime.fromtimestamp(now, datetime.UTC)
        schedule = parse(job["schedule"], job["scheduleTimeZone"])
        if not schedule.due(at):
            return
        schedule = schedule.skip_to(at)
        if job["concurrent"] or not self.of(job["name"]):
            self.enqueue(job, schedule.start.timestamp())
        self.put({**job, "schedule": schedule.next().shown() if schedule.steps else f"R0/{schedule.shown().split('/', 1)[1]}"})

    def _waiting(self) -> list[Json]:
        """Runs that an offer could start now, those of important jobs first."""
        now = time.time()
        found = [r for r in self.runs.values() if r["state"] == "QUEUED" and r["not_before"] <= now and r["job"] in self.jobs]
        return sorted(found, key=lambda r: (not self.jobs[r["job"]]["highPriority"], r["not_before"]))

    def _on_offer(self, offer: Json) -> None:
        pool, tasks = Pool.of(offer), []
        for run in self._waiting():
            job = self.jobs[run["job"]]
            if fits(job, pool):
                tasks.append(task_info(job, run["id"], pool))
                self._put_run(run["id"], {**run, "state": "TASK_STAGING", "agent_id": offer["agent_id"]["value"]})
                self._forget_parents(job["name"])
        ids = {"offer_ids": [offer["id"]]}
        if tasks:
            launch = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
            self._emit("ACCEPT", {"accept": {**ids, "operations": [launch], "filters": {"refuse_seconds": 1.0}}})
        else:
            self._emit("DECLINE", {"decline": {**ids, "filters": {"refuse_seconds": self._settings.decline_seconds}}})

    def _on_update(self, status: Json) -> None:
        name, state = status["task_id"]["value"], status["state"]
        LOG.info("%s is %s %s", name, state, status.get("message", ""))
        run = self.runs.get(name)
        if run:
            self._put_run(name, {**run, "state": state})
            if state == "TASK_FINISHED":
                self._ended(name, good=True)
            elif state in FAILED:
                self._ended(name, good=False)
            elif state == "TASK_KILLED":
                self._drop_run(name)
        if status.get("uuid"):
            known = {"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}
            self._emit("ACKNOWLEDGE", {"acknowledge": known})

    def _ended(self, run_id: str, *, good: bool) -> None:
        now, parsed = time.time(), parse_task_id(run_id)
        self._drop_run(run_id)
        job = self.jobs.get(parsed[0]) if parsed else None
        if job is None or parsed is None:
            return
        if good:
            self._succeeded(job, now)
        elif parsed[2] < job["retries"]:
            self.enqueue(job, now + self._settings.retry_seconds, parsed[2] + 1, parsed[3], self._settings.retry_seconds)
        else:
            errors = job["errorsSinceLastSuccess"] + 1
            disabled = job["disabled"] or 0 < self._settings.disable_after <= errors
            self.put({**job, "errorCount": job["errorCount"] + 1, "errorsSinceLastSuccess": errors, "lastError": moment(now),
                      "disabled": disabled})
            if job["softError"]:
                self._release_children(job["name"], now)

    def _succeeded(self, job: Job, now: float) -> None:
        spent = job.get("schedule", "").startswith("R0/")
        self.put({**job, "successCount": job["successCount"] + 1, "errorsSinceLastSuccess": 0, "lastSuccess": moment(now),
                  "disabled": job["disabled"] or spent})
        self._release_children(job["name"], now)

    def _release_children(self, name: str, now: float) -> None:
        """Starts the children all of whose parents have ended well since their own last run."""
        for child in [j for j in self.jobs.values() if name in j.get("parents", [])]:
            done = sorted({*self._finished_parents.get(child["name"], []), name})
            self._finished_parents[child["name"]] = done
            self._store.put("invocations", child["name"], done)
            if set(child["parents"]) <= set(done) and not child["disabled"]:
                self._forget_parents(child["name"])
                self.enqueue(child, now)

    def _forget_parents(self, name: str) -> None:
        if self._finished_parents.pop(name, None):
            self._store.drop("invocations", name)

    def _put_run(self, name: str, run: Json) -> None:
        self.runs[name] = run
        self._store.put("runs", name, run)

    def _drop_run(self, name: str) -> None:
        self.runs.pop(name, None)
        self._store.drop("runs", name)
