"""Health checks that the leader makes itself, as the real program does for HTTP and TCP."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from marathon_standin.apps import App, mappings, mode
from marathon_standin.instances import Health, Instance
from marathon_standin.scheduler import Scheduler

LOG = logging.getLogger("health")
LOOK_SECONDS = 0.5
_BAD = 400


def target(app: App, check: dict[str, Any], instance: Instance) -> tuple[str, int]:
    """Where a check connects: the agent with the host port, or the container itself where nothing is published."""
    if check.get("port"):
        return instance.address, int(check["port"])
    index = int(check.get("portIndex", 0))
    if mode(app) == "container":
        mapping = mappings(app)[index]
        if mapping["hostPort"] is None:
            return (instance.ip_addresses or [instance.address])[0], int(mapping["containerPort"])
    return instance.address, instance.ports[index]


def failure(check: dict[str, Any], address: tuple[str, int]) -> str:
    """Makes one check; "" when it was answered well, else the cause."""
    timeout = float(check["timeoutSeconds"])
    try:
        if "TCP" in check["protocol"]:
            socket.create_connection(address, timeout).close()
            return ""
        connection = http.client.HTTPConnection(*address, timeout=timeout)
        if "HTTPS" in check["protocol"]:
            # Like the real program: a health check does not verify certificates.
            context = ssl._create_unverified_context()  # noqa: S323
            connection = http.client.HTTPSConnection(*address, timeout=timeout, context=context)
        connection.request("GET", str(check.get("path") or "/"))
        answer = connection.getresponse()
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    return "" if answer.status < _BAD else f"{answer.status} {answer.reason}"


class HealthChecks:
    """Makes the checks that are due, for ever."""

    def __init__(self, scheduler: Scheduler, concurrent: int) -> None:
        self._scheduler = scheduler
        self._pool = ThreadPoolExecutor(concurrent, "health")

    def run(self) -> None:
        """Looks for due checks twice a second."""
        while True:
            with self._scheduler.lock:
                for instance in list(self._scheduler.instances.values()):
                    self._due(instance)
            time.sleep(LOOK_SECONDS)

    def _due(self, instance: Instance) -> None:
        app = self._scheduler.apps.get(instance.app_id)
        if not app or not instance.running or app["version"] != instance.version:
            return
        for number, check in enumerate(app["healthChecks"]):
            health = instance.health.setdefault(str(number), Health())
            if not health.checking and time.time() >= health.next_at:
                health.checking = True
                health.next_at = time.time() + float(check["intervalSeconds"])
                self._pool.submit(self._check, app, check, instance, health)

    def _check(self, app: App, check: dict[str, Any], instance: Instance, health: Health) -> None:
        cause = failure(check, target(app, check, instance))
        with self._scheduler.lock:
            if judge(check, instance, health, cause, time.time()):
                LOG.warning("%s is unhealthy (%s): killing it", instance.task_id, cause)
                self._scheduler.kill(instance)
            self._scheduler.tick()


def judge(check: dict[str, Any], instance: Instance, health: Health, cause: str, now: float) -> bool:
    """Writes an outcome down; True when the instance has to be ended for it."""
    health.checking = False
    if not cause:
        health.first_success = health.first_success or now
        health.last_success, health.failures, health.cause = now, 0, ""
        return False
    health.last_failure, health.cause = now, cause
    if not health.first_success and now - instance.started_at < float(check["gracePeriodSeconds"]):
        return False
    health.failures += 1
    limit = int(check["maxConsecutiveFailures"])
    return bool(limit) and health.failures >= limit and not instance.killing_at
