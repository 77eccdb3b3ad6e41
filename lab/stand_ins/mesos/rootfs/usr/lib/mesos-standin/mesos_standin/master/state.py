"""What a leading master knows: agents, frameworks, tasks, offers."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from mesos_standin import web
from mesos_standin.resources import Resources, from_v1

Json = dict[str, Any]
TaskKey = tuple[str, str]
TERMINAL = {
    "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED", "TASK_GONE",
    "TASK_GONE_BY_OPERATOR",
}  # fmt: skip


@dataclass
class Task:
    """One task; it stays listed after its end until the framework acknowledges the last update."""

    info: Json
    framework_id: str
    state: str = "TASK_STAGING"
    statuses: list[Json] = field(default_factory=list)
    status_update_state: str = ""
    status_update_uuid: str = ""

    @property
    def id(self) -> str:
        """The framework's name for the task."""
        return str(self.info["task_id"]["value"])

    @property
    def agent_id(self) -> str:
        """The agent it was sent to."""
        return str(self.info["agent_id"]["value"])

    @property
    def key(self) -> TaskKey:
        """Unique in the cluster."""
        return (self.framework_id, self.id)

    @property
    def resources(self) -> Resources:
        """What it was given."""
        return from_v1(self.info.get("resources", []))

    @property
    def ended(self) -> bool:
        """Whether it holds no resources any more."""
        return self.state in TERMINAL


@dataclass
class Offer:
    """All free resources of one agent, offered to one framework."""

    id: str
    framework_id: str
    agent_id: str
    resources: Resources


@dataclass
class Agent:
    """A registered agent. `deactivated` and `drain` are copies of its registry entry."""

    id: str
    info: Json
    pid: str
    version: str
    registered: float
    reregistered: float | None = None
    stream: web.Stream | None = None
    deactivated: bool = False
    drain: Json | None = None
    drain_began: float | None = None
    missed_pings: int = 0
    tasks: dict[TaskKey, Task] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)

    @property
    def connected(self) -> bool:
        """Whether its link is open."""
        return self.stream is not None

    @property
    def active(self) -> bool:
        """Whether its resources may be offered."""
        return self.connected and not self.deactivated

    @property
    def address(self) -> str:
        """host:port of its HTTP API."""
        return self.pid.partition("@")[2]

    @property
    def label(self) -> str:
        """The agent as the log names it."""
        return f"{self.id} at {self.pid} ({self.info['hostname']})"

    @property
    def machine(self) -> Json:
        """Its machine in a maintenance schedule."""
        return {"hostname": self.info["hostname"], "ip": self.address.rpartition(":")[0]}

    @property
    def total(self) -> Resources:
        """Its resources."""
        return from_v1(self.info["resources"])

    def used(self) -> Resources:
        """What its living tasks hold."""
        return sum((task.resources for task in self.tasks.values() if not task.ended), Resources())

    def offered(self) -> Resources:
        """What is out in offers."""
        return sum((offer.resources for offer in self.offers.values()), Resources())

    def free(self) -> Resources:
        """What could be offered now."""
        return self.total - self.used() - self.offered()


@dataclass
class Framework:
    """A framework. recovered = known only from agents' tasks, not subscribed since the election."""

    id: str
    info: Json
    registered: float = field(default_factory=time.time)
    reregistered: float | None = None
    unregistered: float = 0.0
    stream: web.Stream | None = None
    stream_id: str = ""
    recovered: bool = False
    suppressed: bool = False
    last_offer: int = 0
    filters: dict[str, list[tuple[float, Resources]]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    unreachable: dict[str, Task] = field(default_factory=dict)
    completed: deque[Task] = field(default_factory=lambda: deque(maxlen=1000))
    offers: dict[str, Offer] = field(default_factory=dict)

    @property
    def connected(self) -> bool:
        """Whether its event stream is open."""
        return self.stream is not None

    @property
    def role(self) -> str:
        """Its (first) role; the stand-in gives each framework one."""
        roles = self.info.get("roles") or [self.info.get("role", "*")]
        return str(roles[0])

    @property
    def label(self) -> str:
        """The framework as the log names it."""
        return f"{self.id} ({self.info.get('name', '')})"

    def has(self, capability: str) -> bool:
        """Whether it declared a capability."""
        return any(row.get("type") == capability for row in self.info.get("capabilities", []))

    def used(self) -> Resources:
        """What its living tasks hold."""
        return sum((task.resources for task in self.tasks.values() if not task.ended), Resources())

    def offered(self) -> Resources:
        """What is offered to it."""
        return sum((offer.resources for offer in self.offers.values()), Resources())


@dataclass
class ClusterState:
    """Everything a leader holds in memory; a new leader starts with an empty one."""

    agents: dict[str, Agent] = field(default_factory=dict)
    frameworks: dict[str, Framework] = field(default_factory=dict)
    completed: deque[Framework] = field(default_factory=lambda: deque(maxlen=50))
    recovered: dict[str, Json] = field(default_factory=dict)
    offers: dict[str, Offer] = field(default_factory=dict)
    counters: dict[str, float] = field(default_factory=dict)

    def count(self, metric: str, by: float = 1.0) -> None:
        """Adds to a metric of /metrics/snapshot."""
        self.counters[metric] = self.counters.get(metric, 0.0) + by

    def task(self, framework_id: str, task_id: str) -> Task | None:
        """A task that still is on an agent."""
        framework = self.frameworks.get(framework_id)
        return framework.tasks.get(task_id) if framework else None


def master_status(task_id: str, agent_id: str, state: str, reason: str, message: str) -> Json:
    """A status update that the master makes itself; it has no uuid and needs no acknowledgement."""
    status: Json = {"task_id": {"value": task_id}, "state": state, "message": message, "source": "SOURCE_MASTER"}
    status.update({"reason": reason, "timestamp": time.time()})
    if agent_id:
        status["agent_id"] = {"value": agent_id}
    return status
