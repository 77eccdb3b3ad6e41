"""The leader's brain: keeps the instances of every app as the apps want them, through Mesos offers and status updates."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from marathon_standin.apps import App
from marathon_standin.deployments import Deployments
from marathon_standin.instances import TERMINAL, Instance, timestamp
from marathon_standin.placement import place
from marathon_standin.rollout import Decision, decide
from mesos_framework.offers import Pool
from mesos_framework.state_store import StateStore

LOG = logging.getLogger("scheduler")
Json = dict[str, Any]
#: The real program's category of instances in its store.
INSTANCES = "instance"
#: An app that ran without failure for this long starts with the first back-off again.
STABLE_SECONDS = 60.0


@dataclass(frozen=True)
class Settings:
    """Flags that the scheduler follows; seconds."""

    decline_seconds: float = 120.0
    revive_interval: float = 5.0
    launch_timeout: float = 300.0
    kill_retry: float = 30.0
    reconcile_first: float = 15.0
    reconcile_interval: float = 600.0
    per_offer: int = 5


@dataclass
class Backoff:
    """How long an app that keeps failing has to wait."""

    failures: int = 0
    last: float = 0.0
    until: float = 0.0


def _only_scaled(previous: App, app: App) -> bool:
    free = {"instances": 0, "version": ""}
    return {**previous, **free} == {**app, **free}


class Scheduler:
    """Apps, their instances, and the calls that bring the two together.

    `emit` takes a Mesos call (type, body) and must not block. All methods may be called from any thread.
    """

    def __init__(self, store: StateStore, emit: Callable[[str, Json], None], settings: Settings) -> None:
        self._store, self._emit, self._settings = store, emit, settings
        self.lock = threading.RLock()
        self.deployments = Deployments(store)
        self.apps: dict[str, App] = {}
        self.instances: dict[str, Instance] = {}
        self.backoffs: dict[str, Backoff] = {}
        self.last_failures: dict[str, Json] = {}
        self._changed_at = self._revived = 0.0
        self.reconcile_at = float("inf")

    def load(self) -> None:
        """Takes over the state that the last leader stored."""
        with self.lock:
            self.apps = self._store.load("apps")
            self.instances = {k: Instance(**v) for k, v in self._store.load(INSTANCES).items()}
            self.deployments.load()

    def of(self, app_id: str) -> list[Instance]:
        """The instances of an app."""
        return [i for i in self.instances.values() if i.app_id == app_id]

    def change(self, app_id: str, app: App | None, action: str, *, force: bool) -> tuple[str, str]:
        """Sets (or with None deletes) an app; returns the version and the deployment's id. Raises LockedError."""
        with self.lock:
            # A version is the moment of its change, and two changes never share one.
            self._changed_at = max(time.time(), self._changed_at + 0.001)
            version, previous = timestamp(self._changed_at), self.apps.get(app_id)
            deployment = self.deployments.begin(app_id, version, action, force=force)
            self.backoffs.pop(app_id, None)
            if app is None:
                self.apps.pop(app_id, None)
                self._store.drop("apps", app_id)
            else:
                # Only scaling keeps the running copies: every other change makes new ones.
                scaling = previous is not None and _only_scaled(previous, app)
                app = {**app, "version": previous["version"] if previous and scaling else version}
                self.apps[app_id] = app
                self._store.put("apps", app_id, app)
            self.tick()
            return version, deployment.id

    def kill(self, instance: Instance) -> None:
        """Asks Mesos to end an instance; asked again until its task has ended."""
        instance.killing_at = time.time()
        self._store.put(INSTANCES, instance.task_id, instance.document())
        self._kill_task(instance.task_id, instance.agent_id)

    def on_event(self, event: Json) -> None:
        """One event of the subscription."""
        with self.lock:
            if event["type"] == "SUBSCRIBED":
                self._revived = 0.0
                self.reconcile_at = time.time() + self._settings.reconcile_first
            elif event["type"] == "OFFERS":
                self._on_offers(event["offers"]["offers"])
            elif event["type"] == "UPDATE":
                self._on_update(event["update"]["status"])
            self.tick()

    def tick(self) -> None:
        """Everything that time or a change may call for."""
        with self.lock:
            now = time.time()
            changing = {d.app_id for d in self.deployments.open.values()}
            for app_id in {*self.apps, *changing, *(i.app_id for i in self.instances.values())}:
                self._converge(app_id)
            for instance in list(self.instances.values()):
                self._overdue(instance, now)
            if self.wanted() and now - self._revived >= self._settings.revive_interval:
                self._revived = now
                self._emit("REVIVE", {})
            if now >= self.reconcile_at:
                self.reconcile_at = now + self._settings.reconcile_interval
                tasks = [{"task_id": {"value": i.task_id}, "agent_id": {"value": i.agent_id}} for i in self.instances.values()]
                self._emit("RECONCILE", {"reconcile": {"tasks": tasks}})

    def wanted(self) -> dict[str, int]:
        """How many instances each app could start now; apps that have to wait or need none are left out."""
        now = time.time()
        found = {}
        for app_id, app in self.apps.items():
            count = decide(app, self.of(app_id)).start
            if count and now >= self.backoffs.get(app_id, Backoff()).until:
                found[app_id] = count
        return found

    def _converge(self, app_id: str) -> None:
        app, instances = self.apps.get(app_id), self.of(app_id)
        decision = decide(app, instances) if app else Decision(0, tuple(i.task_id for i in instances), not instances)
        for task_id in decision.end:
            if not self.instances[task_id].killing_at:
                self.kill(self.instances[task_id])
        if decision.done:
            self.deployments.finish(app_id)

    def _overdue(self, instance: Instance, now: float) -> None:
        if instance.killing_at:
            if now - instance.killing_at > self._settings.kill_retry:
                self.kill(instance)
        elif not instance.started_at and now - instance.staged_at > self._settings.launch_timeout:
            LOG.warning("%s did not run within %s s", instance.task_id, self._settings.launch_timeout)
            self.kill(instance)

    def _on_offers(self, offers: list[Json]) -> None:
        for offer in offers:
            pool, tasks = Pool.of(offer), []
            for app_id, count in self.wanted().items():
                for _ in range(min(count, self._settings.per_offer)):
                    hosts = [i.host for i in self.of(app_id) if not i.killing_at]
                    placed = place(self.apps[app_id], pool, hosts)
                    if placed is None:
                        break
                    instance, task = placed
                    self.instances[instance.task_id] = instance
                    self._store.put(INSTANCES, instance.task_id, instance.document())
                    tasks.append(task)
            ids = {"offer_ids": [offer["id"]]}
            if tasks:
                launch = {"type": "LAUNCH", "launch": {"task_infos": tasks}}
                self._emit("ACCEPT", {"accept": {**ids, "operations": [launch], "filters": {"refuse_seconds": 1.0}}})
            else:
                filters = {"refuse_seconds": self._settings.decline_seconds}
                self._emit("DECLINE", {"decline": {**ids, "filters": filters}})

    def _on_update(self, status: Json) -> None:
        task_id, state = status["task_id"]["value"], status["state"]
        instance = self.instances.get(task_id)
        LOG.info("%s is %s %s", task_id, state, status.get("message", ""))
        if instance and state in TERMINAL:
            self._ended(instance, state, status.get("message", ""))
        elif instance:
            self._alive(instance, status)
        elif state not in TERMINAL and state != "TASK_KILLING":
            # Given up here while its agent was away.
            self._kill_task(task_id, status.get("agent_id", {}).get("value", ""))
        if status.get("uuid"):
            known = {"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}
            self._emit("ACKNOWLEDGE", {"acknowledge": known})

    def _alive(self, instance: Instance, status: Json) -> None:
        instance.state = status["state"]
        infos = status.get("container_status", {}).get("network_infos", [])
        found = [a["ip_address"] for i in infos for a in i.get("ip_addresses", []) if a.get("ip_address")]
        instance.ip_addresses = found or instance.ip_addresses or [instance.address]
        if instance.state == "TASK_RUNNING" and not instance.started_at:
            instance.started_at = float(status.get("timestamp") or time.time())
        self._store.put(INSTANCES, instance.task_id, instance.document())

    def _ended(self, instance: Instance, state: str, message: str) -> None:
        now = time.time()
        del self.instances[instance.task_id]
        self._store.drop(INSTANCES, instance.task_id)
        if instance.killing_at or instance.app_id not in self.apps:
            return
        app = self.apps[instance.app_id]
        backoff = self.backoffs.setdefault(instance.app_id, Backoff())
        backoff.failures = 1 if now - backoff.last > STABLE_SECONDS else backoff.failures + 1
        delay = float(app["backoffSeconds"]) * float(app["backoffFactor"]) ** (backoff.failures - 1)
        backoff.last, backoff.until = now, now + min(delay, float(app["maxLaunchDelaySeconds"]))
        self.last_failures[instance.app_id] = {
            "appId": instance.app_id, "host": instance.host, "message": message, "state": state, "taskId": instance.task_id,
            "timestamp": timestamp(now), "version": instance.version, "slaveId": instance.agent_id,
        }

    def _kill_task(self, task_id: str, agent_id: str) -> None:
        where = {"agent_id": {"value": agent_id}} if agent_id else {}
        self._emit("KILL", {"kill": {"task_id": {"value": task_id}, **where}})
