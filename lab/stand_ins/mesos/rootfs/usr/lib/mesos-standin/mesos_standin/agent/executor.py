"""One task on this agent, from its launch to the acknowledgement of its last update, across restarts of the agent."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mesos_standin import process
from mesos_standin.agent import checkpoint, runner
from mesos_standin.agent.docker import PREFIX, Docker, DockerFailed
from mesos_standin.agent.updates import Updates

if TYPE_CHECKING:
    from mesos_standin.agent.tasks import Tasks

Json = dict[str, Any]
TERMINAL = ("TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST")
_COMMAND_GRACE_SECONDS, _DOCKER_GRACE_SECONDS = 3.0, 10.0


class Executor:
    """Runs one task. `record` is its checkpoint: framework, task, container_id, sandbox, statuses, process."""

    def __init__(self, tasks: Tasks, record: Json) -> None:
        self._tasks = tasks
        self.record = record
        self.updates = Updates(record["statuses"], record["acknowledged"], self._forward)
        found = record.get("process")
        self._process = runner.Process(found[0], found[1]) if found else None

    @property
    def framework_id(self) -> str:
        """Its framework."""
        return str(self.record["framework"]["id"]["value"])

    @property
    def task_id(self) -> str:
        """The framework's name for it; the executor of a command task has the same id."""
        return str(self.record["task"]["task_id"]["value"])

    @property
    def in_docker(self) -> bool:
        """Whether the Docker containerizer runs it."""
        return bool(self.record["task"].get("container", {}).get("type") == "DOCKER")

    @property
    def container(self) -> str:
        """The name of its Docker container."""
        return f"{PREFIX}{self.record['container_id']}"

    @property
    def killing(self) -> bool:
        """Whether somebody asked for its end."""
        return "killing" in self.record

    @property
    def ended(self) -> bool:
        """Whether it has reached its last state."""
        return self.updates.state in TERMINAL

    @property
    def _status_file(self) -> Path:
        return self._tasks.checkpoint.task_folder(self.record["container_id"]) / "exit"

    def save(self) -> None:
        """Writes the checkpoint."""
        self.record["acknowledged"] = self.updates.acknowledged
        folder = self._tasks.checkpoint.task_folder(self.record["container_id"])
        checkpoint.write(folder / "task.json", self.record)

    def _forward(self, status: Json) -> None:
        content = {"framework_id": self.framework_id, "status": status, "latest_state": self.updates.state}
        self._tasks.send({"type": "UPDATE", **content})

    def update(self, state: str, source: str = "SOURCE_EXECUTOR", **more: str) -> None:
        """Reports a state."""
        process.info(f"Handling status update {state} for task {self.task_id} of framework {self.framework_id}")
        address = self.record.get("address") or self._tasks.ip
        networks = [{"ip_addresses": [{"protocol": "IPv4", "ip_address": address}]}]
        container: Json = {"container_id": {"value": self.record["container_id"]}, "network_infos": networks}
        if self._process:
            container["executor_pid"] = self._process.pid
        status = {"task_id": {"value": self.task_id}, "state": state, "source": source, **more}
        status.update(agent_id={"value": self._tasks.agent_id}, executor_id={"value": self.task_id})
        self.updates.add({**status, "container_status": container})
        self.save()
        if state in TERMINAL:
            self._tasks.ended(self)

    async def run(self) -> None:
        """Launches the task and follows it to its end."""
        self.save()
        try:
            await self._launch()
        except (DockerFailed, runner.LaunchFailed, OSError, KeyError, TypeError, ValueError) as error:
            if not self.ended:
                message = f"Failed to launch container: {error}"
                self.update("TASK_FAILED", "SOURCE_AGENT", reason="REASON_CONTAINER_LAUNCH_FAILED", message=message)
            return
        await self.follow()

    async def _launch(self) -> None:
        task, env = self.record["task"], self._environment()
        sandbox = Path(self.record["sandbox"])
        if task.get("command", {}).get("uris"):
            raise runner.LaunchFailed("Failed to fetch all URIs: the stand-in has no fetcher")
        if self.in_docker:
            docker, info = self._tasks.docker, task["container"]["docker"]
            argv = docker.run_command(self.container, task, str(sandbox), env, self._role())
            await docker.pull(info["image"], bool(info.get("force_pull_image")), self._tasks.registration_seconds)
            user = ""
        else:
            argv, user = _argv(task["command"]), self._user()
            env = {"MESOS_SANDBOX": str(sandbox), "MESOS_DIRECTORY": str(sandbox), **env}
        if self.killing:
            self.update("TASK_KILLED", message="Command terminated before it was launched", **self._because())
            return
        # The client of a container inherits what docker needs (HOME, DOCKER_*); a command gets only its own variables.
        variables = self._tasks.client_env if self.in_docker else env
        self._process = runner.start(argv, sandbox, self._status_file, variables, user)
        self.record["process"] = [self._process.pid, self._process.began]
        self.update("TASK_STARTING")

    def _environment(self) -> dict[str, str]:
        rows = self.record["task"].get("command", {}).get("environment", {}).get("variables", [])
        return {row["name"]: str(row.get("value", "")) for row in rows}

    def _role(self) -> str:
        info = self.record["framework"]
        return str((info.get("roles") or [info.get("role", "*")])[0])

    def _user(self) -> str:
        if not self._tasks.switch_user:
            return ""
        return str(self.record["task"]["command"].get("user") or self.record["framework"].get("user", ""))

    async def follow(self) -> None:
        """Waits for the task's process, reports RUNNING when it runs and its end when it ends."""
        pause = 0.05
        while self._process and runner.alive(self._process):
            if self.updates.state == "TASK_STARTING" and await self._runs():
                self.update("TASK_RUNNING")
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.5)
        if not self.ended:
            self._finish(runner.exit_status(self._status_file))

    async def _runs(self) -> bool:
        if self.in_docker:
            self.record["address"] = await self._tasks.docker.address(self.container)
        return not self.in_docker or self.record["address"] is not None

    def _finish(self, status: int | None) -> None:
        subject = "Container" if self.in_docker else "Command"
        message = runner.describe(status, subject)
        if self.updates.state == "TASK_STARTING" and not self.in_docker:
            self.update("TASK_RUNNING")
        if self.killing:
            self.update("TASK_KILLED", message=message, **self._because())
        elif status is None:
            self.update("TASK_FAILED", "SOURCE_AGENT", reason="REASON_EXECUTOR_TERMINATED", message="Executor terminated")
        elif status == 0:
            self.update("TASK_FINISHED", message=message)
        else:
            self.update("TASK_FAILED", reason="REASON_COMMAND_EXECUTOR_FAILED", message=message)

    def _because(self) -> dict[str, str]:
        return {"reason": self.record["killing"]} if self.record["killing"] else {}

    def kill(self, policy: Json | None = None, at_most: float | None = None, reason: str = "") -> None:
        """Ends the task: SIGTERM, after the grace period SIGKILL. A second call changes nothing."""
        if self.killing or self.ended:
            return
        self.record["killing"] = reason
        self.save()
        capabilities = self.record["framework"].get("capabilities", [])
        if self._process and any(row.get("type") == "TASK_KILLING_STATE" for row in capabilities):
            self.update("TASK_KILLING", **self._because())
        grace = self._grace(policy)
        process.start(self._end(min(grace, at_most) if at_most is not None else grace))

    def _grace(self, policy: Json | None) -> float:
        chosen = policy or self.record["task"].get("kill_policy") or {}
        period = chosen.get("grace_period")
        if period:
            return float(period.get("nanoseconds", 0)) / 1e9
        docker_grace = self._tasks.docker_stop_seconds or _DOCKER_GRACE_SECONDS
        return docker_grace if self.in_docker else _COMMAND_GRACE_SECONDS

    async def _end(self, grace: float) -> None:
        if self._process is None:
            return
        if self.in_docker:
            with suppress(DockerFailed):  # it has ended by itself, or does not run yet and is killed below
                await self._tasks.docker.stop(self.container, grace)
                return
        runner.send(self._process, signal.SIGTERM)
        await asyncio.sleep(grace)
        runner.send(self._process, signal.SIGKILL)
        if self.in_docker:
            await self.clean(0, self._tasks.docker)

    def abandon(self) -> None:
        """Ends the task without reporting it any more: its framework is gone."""
        self.kill()
        self.updates.abandon()
        self.save()

    async def gone(self) -> None:
        """Waits until no process of the task is left."""
        while self._process and runner.alive(self._process):
            await asyncio.sleep(0.1)

    async def clean(self, after: float, docker: Docker) -> None:
        """Removes the container of an ended task some time later (--docker_remove_delay)."""
        if self.in_docker:
            await asyncio.sleep(after)
            with suppress(DockerFailed):  # somebody removed it before
                await docker.remove(self.container)


def _argv(command: Json) -> list[str]:
    if command.get("shell", True):
        return ["/bin/sh", "-c", command["value"]]
    return [command["value"], *command.get("arguments", [])[1:]]
