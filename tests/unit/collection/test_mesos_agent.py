"""Draining an agent and letting it take work again, with a leading master made of a table."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.modules import mesos_agent

OPERATOR = {"Authorization": "Basic b3BlcmF0b3I6cw=="}


class Master:
    """A leading master with one agent that needs to be asked twice, as after a lost acknowledgement."""

    def __init__(self, drain_state: str = "", tasks: int = 1, recovered: bool = False) -> None:
        self.state, self.tasks, self.recovered, self.asked = drain_state, tasks, recovered, 0
        self.deactivated = bool(drain_state)

    def call(self, server: str, kind: str, seconds: float, headers: dict[str, str], **body: Any) -> tuple[int, Any]:
        if headers != OPERATOR:
            return 401, ""
        if server != "m2:5050":
            return 307, ""
        if kind == "GET_AGENTS":
            drain = {"drain_info": {"state": self.state}} if self.state else {}
            row = {"agent_info": {"id": {"value": "S1"}}, "pid": "slave(1)@a1:5051", "deactivated": self.deactivated, **drain}
            return 200, {"get_agents": {"agents": [row]}}
        if kind == "GET_TASKS":
            about = {"agent_id": {"value": "S1"}, "framework_id": {"value": "F1"}, "state": "TASK_RUNNING"}
            return 200, {"get_tasks": {"tasks": [{"task_id": {"value": f"t{n}"}, **about} for n in range(self.tasks)]}}
        if kind == "GET_FRAMEWORKS":
            row = {"framework_info": {"id": {"value": "F1"}}, "recovered": self.recovered}
            return 200, {"get_frameworks": {"frameworks": [row]}}
        self.asked += 1
        if kind == "REACTIVATE_AGENT":
            self.state, self.deactivated = "", False
        else:
            assert body["drain_agent"]["max_grace_period"] == {"seconds": 5}
            self.deactivated, self.tasks = True, 0
            self.state = "DRAINED" if self.asked > 1 else "DRAINING"
        return 200, {}


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Callable[[Master], mesos_agent.Agent]:
    """The agent as that master lists it; time passes only while somebody sleeps."""
    now = [0.0]
    clock = SimpleNamespace(time=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(mesos_agent, "time", clock)

    def of(master: Master) -> mesos_agent.Agent:
        monkeypatch.setattr(mesos_agent, "call", master.call)
        return mesos_agent.Agent(["m1:5050", "m2:5050"], "a1:5051", OPERATOR)

    return of


def test_a_drain_that_hangs_is_asked_for_again(agent: Callable[[Master], mesos_agent.Agent]) -> None:
    master = Master()
    assert mesos_agent.drain(agent(master), 5, 30) == "drained"
    assert master.asked == 2
    assert mesos_agent.drain(agent(master), 5, 30) == "", "drained already"


def test_a_drain_that_could_never_end_is_not_begun(agent: Callable[[Master], mesos_agent.Agent]) -> None:
    with pytest.raises(mesos_agent.GiveUp, match=r"F1.*teardown"):
        mesos_agent.drain(agent(Master(recovered=True)), 5, 30)


def test_without_a_leader_every_master_is_named(agent: Callable[[Master], mesos_agent.Agent]) -> None:
    alone = agent(Master())
    alone.masters = ["m1:5050", "m3:5050"]
    with pytest.raises(mesos_agent.GiveUp, match=r"No Mesos master leads: m1:5050 answers 307 ; m3:5050 answers 307 "):
        mesos_agent.drain(alone, 5, 30)


def test_an_agent_that_takes_no_work_is_reactivated(agent: Callable[[Master], mesos_agent.Agent]) -> None:
    assert mesos_agent.reactivate(agent(Master("DRAINED")), 30) == "takes work again"
    assert mesos_agent.reactivate(agent(Master()), 30) == ""
    with pytest.raises(mesos_agent.GiveUp, match="DRAINING after 30 s"):
        mesos_agent.reactivate(agent(Master("DRAINING")), 30)
