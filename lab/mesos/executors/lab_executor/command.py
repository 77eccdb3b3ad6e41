"""Command tasks: a process of the executor's user, in the sandbox, with the executor's environment and its own."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from .checks import Target
from .kill import Escalation
from .runner import LaunchError, Status
from .settings import Settings

#: Flags that an agent gives for images, capabilities, terminals and supplementary groups, which this executor can't provide.
REFUSED = ("rootfs", "task_command", "effective_capabilities", "bounding_capabilities", "tty_slave_path", "task_launch_info",
           "task_supplementary_groups")


def role(task: dict[str, Any]) -> str:
    """The role whose resources the task uses."""
    for resource in task.get("resources", []):
        return str(resource.get("allocation_info", {}).get("role", ""))
    return ""


def variables(environment: dict[str, Any]) -> dict[str, str]:
    """An Environment message as a dictionary; secrets that were not resolved are left out."""
    return {one["name"]: one.get("value", "") for one in environment.get("variables", []) if one.get("type") != "SECRET"}


def argv(command: dict[str, Any], kind: str) -> tuple[str, list[str]]:
    """The program and its arguments, the first of which is the name that it is called under."""
    value = command.get("value")
    if value is None:
        raise LaunchError(f"{'Shell command' if command.get('shell', True) else 'Executable'} of {kind} is not specified")
    if command.get("shell", True):
        return "/bin/sh", ["sh", "-c", value]
    return value, command.get("arguments") or [value]


class CommandRunner:
    """Runs a command. The agent has switched to the task's user already: without an image, it starts the executor as that user."""

    name = "command"
    title = "Command"
    default_grace = 3.0

    def __init__(self, settings: Settings) -> None:
        self._flags = settings.flags
        self._process: subprocess.Popen[bytes] | None = None
        self._killing: Escalation | None = None

    def start(self, task: dict[str, Any]) -> None:
        """Start the command in a session of its own."""
        refused = [f"--{flag}" for flag in REFUSED if flag in self._flags]
        if refused:
            raise LaunchError(f"the lab's mesos-executor does not support {', '.join(refused)}: no images, capabilities, terminals or "
                              "supplementary groups of the Mesos containerizer")
        program, arguments = argv(task.get("command", {}), f"task '{task['task_id']['value']}'")
        environment = {**os.environ, **variables(json.loads(self._flags.get("task_environment", "{}"))),
                       **variables(task["command"].get("environment", {})), "MESOS_ALLOCATION_ROLE": role(task)}
        try:
            self._process = subprocess.Popen(arguments, executable=program, env=environment, start_new_session=True)
        except OSError as error:
            # As with Mesos, the task has run and failed; why stands in its stderr.
            words = f"Failed to execute '{program}': {error.strerror}"
            self._process = subprocess.Popen(["/bin/sh", "-c", 'echo "$0" >&2; exit 1', words], start_new_session=True)
        self._killing = Escalation(self._process)

    def started(self) -> Status | None:
        """At once."""
        return {}

    def wait(self) -> int:
        """Wait for the process."""
        assert self._process is not None  # noqa: S101 - the task calls start first
        return self._process.wait()

    def target(self) -> Target:
        """On this host, as this user."""
        return Target()

    def stop(self, grace: float) -> None:
        """SIGTERM to the tree, SIGKILL after the grace period."""
        if self._killing:
            self._killing.stop(grace)
