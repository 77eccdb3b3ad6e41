"""All tasks of this agent: launch, kill, drain, recovery after a restart, and what is told to the master."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any

from mesos_standin import process
from mesos_standin.agent.checkpoint import Checkpoint
from mesos_standin.agent.docker import PREFIX, Docker
from mesos_standin.agent.executor import Executor
from mesos_standin.flags import Flags
from mesos_standin.resources import Resources, from_v1

Json = dict[str, Any]


class Tasks:
    """The agent's executors by container id. `send` passes a message to the master; lost ones are sent again."""

    def __init__(self, flags: Flags, checkpoint: Checkpoint, docker: Docker, ip: str, send: Callable[[Json], None]) -> None:
        self.checkpoint = checkpoint
        self.docker = docker
        self.ip = ip
        self.send = send
        self.agent_id = ""
        self.executors: dict[str, Executor] = {}
        self.completed: deque[Executor] = deque(maxlen=150)
        self.drain_config: Json | None = None
        self.switch_user = flags.on("switch_user")
        self.registration_seconds = flags.seconds("executor_registration_timeout")
        self.docker_stop_seconds = flags.seconds("docker_stop_timeout")
        self.client_env = {k: v for k, v in os.environ.items() if k == "HOME" or k.startswith("DOCKER_")}
        self._with_docker = "docker" in flags.text("containerizers").split(",")
        self._kill_orphans = flags.on("docker_kill_orphans")
        self._remove_seconds = flags.seconds("docker_remove_delay")

    async def recover(self) -> None:
        """Takes up the tasks of the last run and removes containers nobody knows (item 21); DockerFailed if it cannot."""
        existing = await self.docker.names() if self._with_docker else set()
        for record in self.checkpoint.tasks():
            executor = Executor(self, record)
            self.executors[record["container_id"]] = executor
            process.info(f"Recovering task {executor.task_id} of framework {executor.framework_id}")
            if not executor.ended:
                process.start(executor.follow())
            if not record["framework"].get("checkpoint"):
                executor.kill(at_most=0.0)  # the master has lost it already: such tasks end with their agent (item 18)
        known = {executor.container for executor in self.executors.values() if not executor.ended}
        for name in sorted(existing - known) if self._kill_orphans else []:
            if _is_uuid(name[len(PREFIX) :]):
                process.info(f"Removing the unknown container {name}")
                await self.docker.remove(name)

    def launch(self, framework: Json, task: Json) -> None:
        """Starts a task."""
        container_id, task_id = str(uuid.uuid4()), task["task_id"]["value"]
        framework_id = framework["id"]["value"]
        sandbox = self.checkpoint.sandbox(self.agent_id, framework_id, task_id, container_id)
        process.info(f"Launching task '{task_id}' of framework {framework_id} in container {container_id}")
        record: Json = {"framework": framework, "task": task, "container_id": container_id, "sandbox": str(sandbox)}
        executor = Executor(self, {**record, "statuses": [], "acknowledged": 0})
        self.executors[container_id] = executor
        process.start(executor.run())
        if self.drain_config:
            self._drain(executor)

    def _find(self, framework_id: str, task_id: str) -> Executor | None:
        found = [e for e in self.executors.values() if (e.framework_id, e.task_id) == (framework_id, task_id)]
        return found[-1] if found else None

    def kill(self, framework_id: str, task_id: str, policy: Json | None) -> None:
        """Ends a task; one that is not here is reported as lost."""
        executor = self._find(framework_id, task_id)
        if executor:
            executor.kill(policy)
            return
        process.warning(f"Cannot kill unknown task {task_id} of framework {framework_id}")

    def acknowledge(self, framework_id: str, task_id: str, identity: str) -> None:
        """Takes an acknowledgement; a task that ended and has none outstanding is forgotten."""
        executor = self._find(framework_id, task_id)
        if executor and executor.updates.acknowledge(identity):
            executor.save()
            self._forget_if_done(executor)

    def _forget_if_done(self, executor: Executor) -> None:
        if executor.ended and executor.updates.done:
            folder = self.checkpoint.task_folder(executor.record["container_id"])
            for file in [*folder.iterdir()]:
                file.unlink()
            folder.rmdir()
            self.executors.pop(executor.record["container_id"], None)
            self.completed.append(executor)
            self._drained_when_empty()

    def ended(self, executor: Executor) -> None:
        """Called when a task has reached its last state."""
        process.start(executor.clean(self._remove_seconds, self.docker))
        self._forget_if_done(executor)

    def framework_subscribed(self, info: Json) -> None:
        """A framework (re)subscribed: what it has not acknowledged is sent again at once."""
        for executor in self.executors.values():
            if executor.framework_id == info["id"]["value"]:
                executor.record["framework"] = info
                executor.updates.resend()

    def shut_down_framework(self, framework_id: str) -> None:
        """The framework is gone: its tasks end and nothing more is reported of them."""
        process.info(f"Shutting down framework {framework_id}")
        for executor in [e for e in self.executors.values() if e.framework_id == framework_id]:
            executor.abandon()
            self._forget_if_done(executor)

    def drain(self, config: Json) -> None:
        """Kills all tasks for a drain; a grace period is cut to `max_grace_period`."""
        process.info(f"Received DrainConfig {config}")
        self.drain_config = config
        for executor in list(self.executors.values()):
            self._drain(executor)
        self._drained_when_empty()

    def _drain(self, executor: Executor) -> None:
        longest = (self.drain_config or {}).get("max_grace_period")
        at_most = float(longest["nanoseconds"]) / 1e9 if longest else None
        executor.kill(at_most=at_most, reason="REASON_AGENT_DRAINING")

    def _drained_when_empty(self) -> None:
        if self.drain_config and not self.executors:
            process.info("Agent finished draining")
            self.drain_config = None

    async def end_all(self) -> None:
        """Ends every task and waits for it, for an agent that was told to shut down."""
        for executor in list(self.executors.values()):
            executor.kill(at_most=5.0)
        for executor in list(self.executors.values()):
            await executor.gone()

    def living(self) -> list[Executor]:
        """Executors whose task has not ended."""
        return [executor for executor in self.executors.values() if not executor.ended]

    def used(self) -> Resources:
        """What the living tasks hold."""
        return sum((from_v1(e.record["task"].get("resources", [])) for e in self.living()), Resources())

    def report(self) -> Json:
        """The tasks and their frameworks, as a re-registration carries them."""
        rows = [
            {
                "framework_id": executor.framework_id,
                "info": executor.record["task"],
                "state": executor.updates.state,
                "statuses": executor.updates.known,
            }
            for executor in self.executors.values()
        ]
        frameworks = {e.framework_id: e.record["framework"] for e in self.executors.values()}
        return {"tasks": rows, "frameworks": list(frameworks.values())}


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
