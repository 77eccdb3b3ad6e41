"""The agent's v1 executor API: one streamed answer with events, and a request for every update."""

from __future__ import annotations

import http.client
import json
import threading
import time
from typing import Any

from .log import log
from .runner import Status
from .settings import Settings
from .task import TaskExecutor

#: Seconds for one update, and between two attempts to reach the agent
PATIENCE, RETRY = 10.0, 0.5


class AgentError(Exception):
    """The agent refused a request."""


class AgentV1:
    """Connects a task executor with the agent that started it, again and again as long as a restart of the agent may last."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        name, _, self._address = settings.agent_pid.partition("@")
        self._path = f"/{name}/api/v1/executor"
        self._lock = threading.Lock()
        self._subscribed = False
        #: uuids of updates that the agent has got
        self._got: set[str] = set()

    def run(self, executor: TaskExecutor) -> None:
        """Hand the agent's events to the executor; returns when the agent is gone for good."""
        lost_since: float | None = None
        while True:
            if self._subscribe(executor):
                lost_since = None
            lost_since = lost_since or time.monotonic()
            allowed = self._settings.recovery_timeout if self._settings.checkpoint else 0.0
            if time.monotonic() - lost_since >= allowed:
                log(f"the agent is gone; with this framework's checkpointing a task waits {allowed:g} s for it")
                executor.orphaned()
                return
            time.sleep(RETRY)

    def _subscribe(self, executor: TaskExecutor) -> bool:
        """One connection from its start to its end: whether the agent accepted it."""
        accepted = False
        try:
            tasks, updates = executor.unacknowledged()
            answer = self._request({"type": "SUBSCRIBE", "subscribe": {
                "unacknowledged_tasks": tasks, "unacknowledged_updates": [{"status": one} for one in updates]}}, timeout=None)
            with self._lock:
                self._got = {one["uuid"] for one in updates}
            for event in events(answer):
                accepted = True
                if event["type"] == "SUBSCRIBED":
                    self._catch_up(executor)
                executor.handle(event)
        except (OSError, http.client.HTTPException, AgentError, ValueError) as error:
            log(f"no connection to the agent: {error}")
        with self._lock:
            self._subscribed = False
        return accepted

    def _catch_up(self, executor: TaskExecutor) -> None:
        """Send what came up between the request to subscribe and its answer."""
        with self._lock:
            self._subscribed = True
        for status in executor.unacknowledged()[1]:
            self.send(status)

    def send(self, status: Status) -> None:
        """Send an update unless the agent has it; without a connection it goes with the next one."""
        with self._lock:
            if not self._subscribed or status["uuid"] in self._got:
                return
            try:
                self._request({"type": "UPDATE", "update": {"status": status}}, timeout=PATIENCE).read()
                self._got.add(status["uuid"])
            except (OSError, http.client.HTTPException, AgentError) as error:
                log(f"an update is kept for later: {error}")

    def _request(self, call: dict[str, Any], timeout: float | None) -> http.client.HTTPResponse:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._settings.token:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        identity = {"framework_id": {"value": self._settings.framework_id}, "executor_id": {"value": self._settings.executor_id}}
        connection = http.client.HTTPConnection(self._address, timeout=timeout)
        connection.request("POST", self._path, json.dumps({**call, **identity}), headers)
        answer = connection.getresponse()
        if answer.status not in (200, 202):
            raise AgentError(f"the agent answered {answer.status} {answer.read(200).decode(errors='replace')}")
        return answer


def events(answer: http.client.HTTPResponse) -> Any:
    """Events of a RecordIO stream of JSON: each one's size in bytes on a line of its own before it."""
    while True:
        size = answer.readline().strip()
        if not size:
            return
        yield json.loads(answer.read(int(size)))
