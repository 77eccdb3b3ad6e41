"""Starts of the two executors."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Union

from .agent_v0 import AgentV0
from .agent_v1 import AgentV1
from .command import CommandRunner
from .container import DockerRunner
from .log import log
from .runner import Runner
from .settings import SettingsError, load
from .task import TaskExecutor

Agent = Union[AgentV0, AgentV1]


def run_command(arguments: Sequence[str]) -> int:
    """The mesos-executor: its exit code."""
    return _run(arguments, AgentV1, CommandRunner)


def run_docker(arguments: Sequence[str]) -> int:
    """The mesos-docker-executor: its exit code."""
    return _run(arguments, AgentV0, DockerRunner)


def _run(arguments: Sequence[str], agent_of: Callable[..., Agent], runner_of: Callable[..., Runner]) -> int:
    log(f"{os.path.basename(sys.argv[0])} of the lab, not Apache's")  # noqa: PTH119 - argv[0] is only shown
    try:
        settings = load(arguments, os.environ)
        runner, agent = runner_of(settings), agent_of(settings)
    except (SettingsError, OSError) as error:
        log(f"can't start: {error}")
        return 1
    executor = TaskExecutor(settings, runner, agent.send)
    threading.Thread(target=_connect, args=(agent, executor), daemon=True).start()
    code = executor.wait()
    sys.stderr.flush()
    os._exit(code)  # threads may still wait for a task or an agent


def _connect(agent: Agent, executor: TaskExecutor) -> None:
    try:
        agent.run(executor)
    except Exception as error:  # whatever it is, a task without its agent must not stay
        log(f"the connection to the agent failed: {error!r}")
        executor.orphaned()
