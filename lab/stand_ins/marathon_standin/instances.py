"""Running copies of apps: what is remembered of each, and how the API shows it."""

from __future__ import annotations

import datetime
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

TERMINAL = frozenset({
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
    "TASK_GONE_BY_OPERATOR", "TASK_UNKNOWN", "TASK_UNREACHABLE",
})


def timestamp(seconds: float | None = None) -> str:
    """A moment as the API writes it (now when none is given): 2026-11-22T21:30:00.123Z."""
    moment = datetime.datetime.fromtimestamp(time.time() if seconds is None else seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


@dataclass
class Health:
    """Outcome of one health check of one instance; moments are seconds since the epoch, 0 for never."""

    failures: int = 0
    first_success: float = 0.0
    last_success: float = 0.0
    last_failure: float = 0.0
    cause: str = ""
    next_at: float = 0.0
    checking: bool = False

    @property
    def alive(self) -> bool:
        """Whether the last answer was a good one."""
        return self.last_success > self.last_failure

    def shown(self, instance_id: str) -> dict[str, Any]:
        """The API's form."""
        def told(moment: float) -> str | None:
            return timestamp(moment) if moment else None

        return {
            "alive": self.alive, "consecutiveFailures": self.failures, "firstSuccess": told(self.first_success),
            "lastSuccess": told(self.last_success), "lastFailure": told(self.last_failure),
            "lastFailureCause": self.cause or None, "instanceId": instance_id,
        }


@dataclass
class Instance:
    """One copy of an app, from the decision to launch it until its task has ended."""

    task_id: str
    app_id: str
    version: str
    agent_id: str
    host: str
    address: str
    ports: list[int]
    state: str = "TASK_STAGING"
    staged_at: float = 0.0
    started_at: float = 0.0
    killing_at: float = 0.0
    ip_addresses: list[str] = field(default_factory=list)
    health: dict[str, Health] = field(default_factory=dict)

    @property
    def instance_id(self) -> str:
        """The part of the task id that names the instance."""
        return self.task_id.rsplit("._app.", 1)[0]

    @property
    def running(self) -> bool:
        """Whether its task runs and nobody has asked it to end."""
        return self.state == "TASK_RUNNING" and not self.killing_at

    def ready(self, checks: int) -> bool:
        """Whether it runs and all its health checks were answered well."""
        return self.running and sum(h.alive for h in self.health.values()) >= checks

    def document(self) -> dict[str, Any]:
        """What is stored: everything but the health, which the next leader asks anew."""
        return {k: v for k, v in asdict(self).items() if k != "health"}

    def shown(self) -> dict[str, Any]:
        """The API's form of its task."""
        extra: dict[str, Any] = {"startedAt": timestamp(self.started_at)} if self.started_at else {}
        if self.health:
            extra["healthCheckResults"] = [h.shown(self.instance_id) for h in self.health.values()]
        return {
            "id": self.task_id, "appId": self.app_id, "host": self.host, "ports": self.ports, "servicePorts": [],
            "slaveId": self.agent_id, "state": "TASK_KILLING" if self.killing_at else self.state,
            "version": self.version, "stagedAt": timestamp(self.staged_at), "localVolumes": [], "role": "*",
            "ipAddresses": [{"ipAddress": a, "protocol": "IPv4"} for a in self.ip_addresses], **extra,
        }


def new_task_id(app_id: str) -> str:
    """`/a/b` gives `a_b.instance-<uuid>._app.1`."""
    return f"{app_id.strip('/').replace('/', '_')}.instance-{uuid.uuid4()}._app.1"
