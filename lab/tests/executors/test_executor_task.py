"""The life of a task: updates, states, reasons and messages as Mesos' own executors give them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from lab_executor import task as lifecycle
from lab_executor.checks import Target
from lab_executor.runner import LaunchError, describe
from lab_executor.settings import Settings
from lab_executor.task import TaskExecutor

PATIENCE = 20
SETTINGS = Settings("f", "x", "s", "slave(1)@127.0.0.1:1", checkpoint=True, recovery_timeout=1, shutdown_grace=5, token="", flags={})
NEVER = {"type": "COMMAND", "delay_seconds": 3600, "command": {"value": "true"}}


class Puppet:
    """A runner whose task starts and ends when the test says so."""

    name, title, default_grace = "command", "Command", 3.0

    def __init__(self) -> None:
        self.runs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.ends: queue.Queue[int] = queue.Queue()
        self.stops: queue.Queue[float] = queue.Queue()
        self.refusal = ""

    def start(self, task: dict[str, Any]) -> None:
        if self.refusal:
            raise LaunchError(self.refusal)

    def started(self) -> dict[str, Any] | None:
        return self.runs.get()

    def wait(self) -> int:
        return self.ends.get()

    def target(self) -> Target:
        return Target()

    def stop(self, grace: float) -> None:
        self.stops.put(grace)


class Stage:
    """An executor with a puppet, and the updates that it sends."""

    def __init__(self, **task: Any) -> None:
        self.puppet = Puppet()
        self.sent: queue.Queue[dict[str, Any]] = queue.Queue()
        self.executor = TaskExecutor(SETTINGS, self.puppet, self.sent.put)
        self.task = {"name": "t", "task_id": {"value": "t"}, **task}

    def subscribe(self, *capabilities: str) -> None:
        self.executor.handle({"type": "SUBSCRIBED", "subscribed": {"framework_info": {
            "capabilities": [{"type": capability} for capability in capabilities]}}})

    def launch(self, **running: Any) -> dict[str, Any]:
        """Up to the update that says that it runs."""
        self.begin()
        self.puppet.runs.put(running)
        found = self.next()
        assert found["state"] == "TASK_RUNNING"
        return found

    def begin(self) -> None:
        self.executor.handle({"type": "LAUNCH", "launch": {"task": self.task}})
        assert self.next()["state"] == "TASK_STARTING"

    def next(self) -> dict[str, Any]:
        return self.sent.get(timeout=PATIENCE)

    def end(self, code: int) -> dict[str, Any]:
        self.puppet.ends.put(code)
        return self.next()

    def acknowledge(self, update: dict[str, Any]) -> None:
        self.executor.handle({"type": "ACKNOWLEDGED", "acknowledged": {"uuid": update["uuid"]}})


def told(update: dict[str, Any]) -> tuple[Any, ...]:
    return update["state"], update.get("message"), update.get("reason"), update.get("healthy")


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.mark.parametrize(("code", "state", "message"), [
    (0, "TASK_FINISHED", "Command exited with status 0"), (1, "TASK_FAILED", "Command exited with status 1"),
    (-9, "TASK_FAILED", "Command terminated with signal Killed"), (-15, "TASK_FAILED", "Command terminated with signal Terminated")])
def test_how_a_task_ends(stage: Stage, code: int, state: str, message: str) -> None:
    running = stage.launch()
    assert {key: running[key] for key in ("task_id", "executor_id", "source")} == {
        "task_id": {"value": "t"}, "executor_id": {"value": "x"}, "source": "SOURCE_EXECUTOR"}
    assert told(stage.end(code)) == (state, message, None, None)


def test_the_executor_ends_when_the_agent_has_the_last_update(stage: Stage) -> None:
    running = stage.launch()
    final = stage.end(0)
    waiting = threading.Thread(target=stage.executor.wait, daemon=True)
    waiting.start()
    stage.acknowledge(running)
    stage.acknowledge({"uuid": "of somebody else"})
    assert waiting.is_alive()
    stage.acknowledge(final)
    assert stage.executor.wait() == 0


def test_without_an_acknowledgement_it_ends_in_the_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "ACKNOWLEDGED_WITHIN", 0.01)
    stage.launch()
    stage.end(0)
    assert stage.executor.wait() == 1


def test_what_is_not_acknowledged_is_told_again(stage: Stage) -> None:
    assert stage.executor.unacknowledged() == ([], [])
    running = stage.launch()
    tasks, updates = stage.executor.unacknowledged()
    assert tasks == [stage.task]
    assert [one["state"] for one in updates] == ["TASK_STARTING", "TASK_RUNNING"]
    stage.acknowledge(updates[0])
    assert stage.executor.unacknowledged() == ([], [running])


def test_a_task_that_cannot_be_launched_says_why(stage: Stage) -> None:
    stage.puppet.refusal = "no such thing"
    stage.begin()
    assert told(stage.next()) == ("TASK_FAILED", "no such thing", None, None)


def test_a_task_that_never_ran_does_not_say_that_it_does(stage: Stage) -> None:
    stage.begin()
    stage.puppet.runs.put(None)
    assert told(stage.end(125)) == ("TASK_FAILED", "Command exited with status 125", None, None)


def test_a_fault_of_the_executor_itself_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait() -> int:
        raise KeyError("State")

    monkeypatch.setattr(stage.puppet, "wait", wait)
    stage.launch()
    assert told(stage.next())[:2] == ("TASK_FAILED", "The lab's executor failed: KeyError('State')")
    assert stage.puppet.stops.get(timeout=PATIENCE) == 0


def test_a_task_that_no_process_can_be_is_told_of(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(task: dict[str, Any]) -> None:
        raise ValueError("illegal environment variable name")

    monkeypatch.setattr(stage.puppet, "start", start)
    stage.begin()
    state, message, *_ = told(stage.next())
    assert (state, "illegal environment variable name" in message) == ("TASK_FAILED", True)


def test_a_second_task_is_refused(stage: Stage) -> None:
    stage.launch()
    stage.executor.handle({"type": "LAUNCH", "launch": {"task": {"task_id": {"value": "other"}}}})
    update = stage.next()
    assert (update["task_id"]["value"], update["message"]) == ("other", 'Attempted to run multiple tasks using a "command" executor')


SEVEN, HALF = ({"kill_policy": {"grace_period": {"nanoseconds": nanoseconds}}} for nanoseconds in (7_000_000_000, 500_000_000))


@pytest.mark.parametrize(("policy", "override", "grace"), [({}, {}, 3), (SEVEN, {}, 7), (SEVEN, HALF, 0.5)])
def test_grace_period(policy: dict[str, Any], override: dict[str, Any], grace: float) -> None:
    stage = Stage(**policy)
    stage.launch()
    stage.executor.handle({"type": "KILL", "kill": {"task_id": {"value": "t"}, **override}})
    assert stage.puppet.stops.get(timeout=PATIENCE) == grace


@pytest.mark.parametrize("code", [0, -15, 143])
def test_a_killed_task_is_killed_whatever_its_exit_status(stage: Stage, code: int) -> None:
    stage.subscribe()
    stage.launch()
    stage.executor.handle({"type": "KILL", "kill": {}})
    stage.puppet.stops.get(timeout=PATIENCE)
    assert told(stage.end(code)) == ("TASK_KILLED", f"Command {describe(code)}", None, None)


def test_a_framework_that_knows_it_hears_of_the_killing_once(stage: Stage) -> None:
    stage.subscribe("TASK_KILLING_STATE", "PARTITION_AWARE")
    stage.launch()
    for _ in range(2):
        stage.executor.handle({"type": "KILL", "kill": {}})
        stage.puppet.stops.get(timeout=PATIENCE)
    assert stage.next()["state"] == "TASK_KILLING"
    assert stage.end(0)["state"] == "TASK_KILLED"


def test_a_kill_waits_for_a_task_that_starts(stage: Stage) -> None:
    stage.begin()
    stage.executor.handle({"type": "KILL", "kill": {}})
    stage.puppet.runs.put({})
    assert stage.next()["state"] == "TASK_RUNNING"
    assert stage.puppet.stops.get(timeout=PATIENCE) == 3


def test_a_kill_does_not_wait_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "STARTED_WITHIN", 0.01)
    stage.begin()
    stage.executor.handle({"type": "KILL", "kill": {}})
    stage.puppet.stops.get(timeout=PATIENCE)
    stage.puppet.runs.put({})
    assert stage.end(0)["state"] == "TASK_KILLED"


def test_a_kill_before_the_launch_ends_the_executor(stage: Stage) -> None:
    stage.executor.handle({"type": "KILL", "kill": {}})
    assert stage.executor.wait() == 1


def test_too_long_a_task_fails_with_a_reason() -> None:
    stage = Stage(max_completion_time={"nanoseconds": 10_000_000})
    stage.subscribe("TASK_KILLING_STATE")
    stage.launch()
    assert stage.puppet.stops.get(timeout=PATIENCE) == 0
    assert told(stage.end(-9)) == ("TASK_FAILED", "Command terminated with signal Killed", "REASON_MAX_COMPLETION_TIME_REACHED", None)


def test_shutdown_leaves_time_to_say_so_and_then_ends_unacknowledged(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[tuple[float, Callable[[], None]]] = []
    monkeypatch.setattr(lifecycle, "later", lambda seconds, act: waits.append((seconds, act)))
    stage.launch()
    stage.executor.handle({"type": "SHUTDOWN"})
    assert stage.puppet.stops.get(timeout=PATIENCE) == 3
    ((seconds, abandon),) = waits
    assert seconds == 5
    abandon()
    assert stage.puppet.stops.get(timeout=PATIENCE) == 0
    waits[-1][1]()
    assert stage.executor.wait() == 1


def test_shutdown_without_a_task_ends_at_once(stage: Stage) -> None:
    stage.executor.handle({"type": "SHUTDOWN"})
    assert stage.executor.wait() == 0


def health(stage: Stage, *news: tuple[bool, bool]) -> None:
    for one in news:
        stage.executor.judged(*one)


def test_health_is_told_with_all_that_was_told_before() -> None:
    stage = Stage(health_check=NEVER)
    status = {"network_infos": [{"ip_addresses": [{"ip_address": "10.0.0.9"}]}]}
    assert stage.launch(container_status=status, data="e30=")["data"] == "e30="
    health(stage, (True, False))
    update = stage.next()
    assert told(update) == ("TASK_RUNNING", None, "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", True)
    assert update["container_status"] == status
    assert "data" not in update
    assert told(stage.end(1)) == ("TASK_FAILED", "Command exited with status 1", None, None)


def test_too_many_failures_kill_the_task_and_say_why() -> None:
    stage = Stage(health_check=NEVER)
    stage.subscribe("TASK_KILLING_STATE")
    stage.launch()
    health(stage, (False, False), (False, True))
    assert [told(stage.next())[3] for _ in range(2)] == [False, False]
    assert told(stage.next()) == ("TASK_KILLING", None, None, None)
    assert stage.puppet.stops.get(timeout=PATIENCE) == 3
    health(stage, (True, False))
    assert told(stage.end(-15)) == ("TASK_KILLED", "Command terminated with signal Terminated", None, False)


def test_the_failure_that_kills_is_the_last_one_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes until the kill begins."""
    stage, killed = Stage(health_check={**NEVER, "delay_seconds": 0, "interval_seconds": 0.05, "grace_period_seconds": 0,
                                        "consecutive_failures": 1, "command": {"value": "exit 1"}}), threading.Event()
    monkeypatch.setattr(stage.executor, "kill", lambda *of: killed.set())
    stage.launch()
    assert killed.wait(PATIENCE)
    assert stage.next()["healthy"] is False
    time.sleep(0.3)  # six more checks, were it not over
    assert stage.sent.empty()


def test_check_results_are_in_every_update() -> None:
    stage = Stage(check={"type": "TCP", "delay_seconds": 3600, "tcp": {"port": 1}})
    assert stage.launch()["check_status"] == {"type": "TCP", "tcp": {}}
    result = {"type": "TCP", "tcp": {"succeeded": False}}
    stage.executor.checked(result)
    update = stage.next()
    assert told(update)[:3] == ("TASK_RUNNING", None, "REASON_TASK_CHECK_STATUS_UPDATED")
    assert update["check_status"] == result
    assert stage.end(0)["check_status"] == result
