"""The life of the one task: its states, what is told of it, and when the executor ends."""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from .log import log
from .runner import LaunchError, Runner, Status, describe
from .settings import Settings
from .watch import Watch, watch_check, watch_health

#: Seconds for the agent to acknowledge the last update.
ACKNOWLEDGED_WITHIN = 60.0

#: Seconds for a task that is killed to say that it runs, first.
STARTED_WITHIN = 5.0

#: Seconds of the executor's grace that are kept for killing what does not end, and for saying so.
RESERVED = 2.0

KILLED, KILLED_BY_HEALTH, KILLED_BY_TIME = "killed", "health", "time"


class TaskExecutor:
    """Handles the agent's events, shown as the v1 API's, and gives updates to `send`."""

    def __init__(self, settings: Settings, runner: Runner, send: Callable[[Status], None]) -> None:
        self.settings = settings
        self.runner = runner
        self._send = send
        self._lock = threading.RLock()
        self._task: dict[str, Any] = {}
        self._acknowledged = False
        #: by uuid, the oldest first
        self._updates: dict[str, Status] = {}
        self._capabilities: set[str] = set()
        #: what every further update shows as well
        self._shown: Status = {}
        self._watches: list[Watch] = []
        self._started = threading.Event()
        self._kill_reason = ""
        self._orphan = False
        self._final = ""
        self._ended = threading.Event()
        self._code = 0

    def wait(self) -> int:
        """Wait for the end: the exit code of the executor."""
        self._ended.wait()
        return self._code

    def end(self, code: int) -> None:
        """End the executor; the first code counts."""
        if self._ended.is_set():
            return
        self._code = code
        self._ended.set()

    def unacknowledged(self) -> tuple[list[dict[str, Any]], list[Status]]:
        """The task unless the agent has acknowledged an update of it, and the updates that it has not acknowledged."""
        with self._lock:
            return [self._task] if self._task and not self._acknowledged else [], list(self._updates.values())

    def handle(self, event: dict[str, Any]) -> None:
        """One event of the agent."""
        kind = event["type"]
        if kind == "SUBSCRIBED":
            self._capabilities = {one.get("type", "") for one in event["subscribed"]["framework_info"].get("capabilities", [])}
        elif kind == "LAUNCH":
            self._launch(event["launch"]["task"])
        elif kind == "KILL":
            self.kill(self._grace(event["kill"]))
        elif kind == "ACKNOWLEDGED":
            self._acknowledge(event["acknowledged"]["uuid"])
        elif kind == "SHUTDOWN":
            self.shutdown()
        elif kind == "ERROR":
            log(f"the agent says: {event.get('error', {}).get('message', '')}")
            self.shutdown()

    def _launch(self, task: dict[str, Any]) -> None:
        if self._task:
            self._update("TASK_FAILED", task["task_id"],
                         message=f'Attempted to run multiple tasks using a "{self.runner.name}" executor')
            return
        self._task = task
        if "check" in task:
            kind = task["check"].get("type", "UNKNOWN")
            self._shown["check_status"] = {"type": kind, kind.lower(): {}}
        self._update("TASK_STARTING")
        try:
            self.runner.start(task)
        except LaunchError as error:
            self._finish("TASK_FAILED", message=str(error))
            return
        except Exception as error:  # a TaskInfo may hold anything, such as a variable whose name no process can have
            self._finish("TASK_FAILED", message=f"The lab's executor failed: {error!r}")
            return
        limit = task.get("max_completion_time", {}).get("nanoseconds", 0) / 1e9
        if limit > 0:
            later(limit, lambda: self.kill(0, KILLED_BY_TIME))
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        """From the start to the end; a fault of the executor's own is an end, too."""
        try:
            self._accompany()
        except Exception as error:  # the agent must hear of it
            self.runner.stop(0)
            self._finish("TASK_FAILED", message=f"The lab's executor failed: {error!r}")

    def _accompany(self) -> None:
        more = self.runner.started()
        with self._lock:
            if more is not None and not self._kill_reason:
                if "container_status" in more:
                    self._shown["container_status"] = more["container_status"]
                self._update("TASK_RUNNING", **more)
                self._watch()
        self._started.set()
        code = self.runner.wait()
        with self._lock:
            state = "TASK_FAILED" if code else "TASK_FINISHED"
            more = {"message": f"{self.runner.title} {describe(code)}"}
            if self._kill_reason == KILLED_BY_TIME:
                state, more["reason"] = "TASK_FAILED", "REASON_MAX_COMPLETION_TIME_REACHED"
            elif self._kill_reason:
                state = "TASK_KILLED"
            if self._kill_reason == KILLED_BY_HEALTH:
                more["healthy"] = False
            self._finish(state, **more)

    def _finish(self, state: str, **more: Any) -> None:
        """The last update; the executor ends when the agent has it."""
        with self._lock:
            self._stop_watches()
            self._final = self._update(state, **more)
        if self._orphan:
            self.end(1)
        later(ACKNOWLEDGED_WITHIN, lambda: self.end(1))

    def _acknowledge(self, which: str) -> None:
        with self._lock:
            if self._updates.pop(which, None) is None:
                return
            self._acknowledged = True
            if which == self._final:
                self.end(0)

    def _grace(self, kill: dict[str, Any]) -> float:
        """Seconds: of this kill's policy, else of the task's, else the runner's."""
        for policy in (kill.get("kill_policy", {}), self._task.get("kill_policy", {})):
            if "grace_period" in policy:
                return float(policy["grace_period"]["nanoseconds"] / 1e9)
        return self.runner.default_grace

    def kill(self, grace: float, reason: str = KILLED) -> None:
        """Kill the task; one that has just been launched says first that it runs."""
        if not self._task:
            log("asked to kill a task that was never launched")
            self.end(1)
            return
        threading.Thread(target=self._kill, args=(grace, reason), daemon=True).start()

    def _kill(self, grace: float, reason: str) -> None:
        self._started.wait(STARTED_WITHIN)
        with self._lock:
            if self._final:
                return
            if not self._kill_reason:
                log(f"killing the task, with a grace period of {grace:g} s")
                self._kill_reason = reason
                self._stop_watches()
                if reason != KILLED_BY_TIME and "TASK_KILLING_STATE" in self._capabilities:
                    self._update("TASK_KILLING")
        self.runner.stop(grace)

    def orphaned(self) -> None:
        """The agent is gone: end with the task, as nothing will be acknowledged."""
        self._orphan = True
        self.shutdown()

    def shutdown(self) -> None:
        """Kill the task and end within the grace that the agent gives executors, acknowledged or not."""
        log("shutting down")
        if not self._task or self._final:
            self.end(0)
            return
        self.kill(max(0.0, self.settings.shutdown_grace - RESERVED))
        later(self.settings.shutdown_grace, self._abandon)

    def _abandon(self) -> None:
        self.runner.stop(0)
        later(1, lambda: self.end(1))

    def _watch(self) -> None:
        target = self.runner.target()
        if "check" in self._task:
            self._watches.append(watch_check(self._task["check"], target, self.checked))
        if "health_check" in self._task:
            self._watches.append(watch_health(self._task["health_check"], target, self.judged))

    def _stop_watches(self) -> None:
        """No more results; what follows shows neither health nor addresses, as with Mesos."""
        for watch in self._watches:
            watch.stop()
        self._shown.pop("container_status", None)
        self._shown.pop("healthy", None)

    def checked(self, found: dict[str, Any]) -> None:
        """Tell of the check's new result."""
        with self._lock:
            if not self._kill_reason and not self._final:
                self._shown["check_status"] = found
                self._update("TASK_RUNNING", reason="REASON_TASK_CHECK_STATUS_UPDATED")

    def judged(self, healthy: bool, kill: bool) -> None:
        """Tell of the task's health, and kill it if that is due."""
        with self._lock:
            if self._kill_reason or self._final:
                return
            self._shown["healthy"] = healthy
            self._update("TASK_RUNNING", reason="REASON_TASK_HEALTH_CHECK_STATUS_UPDATED")
            if kill:
                self._stop_watches()  # one more failure would be told before the kill has begun
        if kill:
            self.kill(self._grace({}), KILLED_BY_HEALTH)

    def _update(self, state: str, task_id: dict[str, str] | None = None, **more: Any) -> str:
        """Send one update and keep it until it is acknowledged: its uuid."""
        which = base64.b64encode(uuid.uuid4().bytes).decode()
        status = {"task_id": task_id or self._task["task_id"], "executor_id": {"value": self.settings.executor_id}, "state": state,
                  "source": "SOURCE_EXECUTOR", "timestamp": time.time(), "uuid": which, **self._shown, **more}
        with self._lock:
            self._updates[which] = status
            log(" ".join(str(status[key]) for key in ("state", "reason", "message", "healthy") if key in status))
            self._send(status)
        return which


def later(seconds: float, act: Callable[[], None]) -> None:
    """Do something after a while, unless the executor has ended."""
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()
