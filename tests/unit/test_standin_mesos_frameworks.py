"""Offers, tasks and frameworks on the Mesos stand-in's master."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.mesos_standin_samples import (
    Json,
    Sent,
    World,
    ask,
    differences,
    elected,
    form,
    recorded,
    request,
    run,
    settle,
    world,
)

from mesos_standin import process, web  # isort: skip
from mesos_standin.master.routes import Routes

BODIES = recorded("bodies")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Everything sent over streams."""
    found = Sent()
    monkeypatch.setattr(web.Stream, "send", lambda _stream, chunk: found.record(chunk))
    return found


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the log out of the test output."""
    monkeypatch.setattr(process, "_sinks", [])


def test_an_offer_holds_all_free_resources(sent: Sent) -> None:
    async def work() -> None:
        await world(sent)
        await settle(0.08)
        offer = sent.events("OFFERS")[0]["offers"]["offers"][0]
        assert {row["name"] for row in offer["resources"]} == {"cpus", "mem", "disk", "ports"}
        assert offer["resources"][0]["allocation_info"] == {"role": "*"}
        assert offer["url"]["path"] == "/slave(1)"

    run(work)


def test_a_task_lives_until_its_last_update_is_acknowledged(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        agent_id = await w.launch("t")
        assert sent.events("RUN_TASK")[0]["task"]["task_id"] == {"value": "t"}
        w.report("t", "TASK_RUNNING", agent_id, "u1")
        w.report("t", "TASK_FINISHED", agent_id, "u2")
        agent = w.leader.state.agents[agent_id["value"]]
        assert (agent.used().v0()["cpus"], list(w.framework.tasks)) == (0.0, ["t"])
        w.call("ACKNOWLEDGE", agent_id=agent_id, task_id={"value": "t"}, uuid="u2")
        assert (list(w.framework.tasks), [task.id for task in w.framework.completed]) == ([], ["t"])
        assert sent.events("ACKNOWLEDGE")[0]["uuid"] == "u2"

    run(work)


def test_task_shapes(sent: Sent) -> None:
    async def work() -> tuple[Any, Any]:
        w = await world(sent, capabilities=[{"type": "PARTITION_AWARE"}])
        agent_id = await w.launch("t")
        w.report("t", "TASK_RUNNING", agent_id, "u1")
        frameworks = json.loads((await ask(w.leader, "GET", "/frameworks")).body)
        return frameworks, json.loads((await ask(w.leader, "GET", "/tasks")).body)

    frameworks, tasks = run(work)
    missing_here = ("/container_status", "/reregistered_time", ": 0 entries recorded")
    for name, got in (("failover2-newleader-frameworks", frameworks), ("failover2-newleader-tasks", tasks)):
        found = differences(BODIES[name], got)
        assert [problem for problem in found if not any(part in problem for part in missing_here)] == []


@pytest.mark.parametrize(
    ("more", "cpus", "message"),
    [
        ({}, 64.0, "Task uses more resources"),
        ({"executor": {}}, 0.1, "no custom executors"),
        ({"command": None}, 0.1, "at least one"),
    ],
)
def test_bad_tasks_are_errors(more: Json, cpus: float, message: str, sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        await w.launch("t", cpus, **more)
        status = sent.events("UPDATE")[0]["update"]["status"]
        assert (status["state"], status["reason"]) == ("TASK_ERROR", "REASON_TASK_INVALID")
        assert message in status["message"]

    run(work)


def test_a_used_offer_is_no_offer(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        info = {"task_id": {"value": "t"}, "command": {"value": "true"}}
        launch = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        w.call("ACCEPT", offer_ids=[{"value": "x-O9"}], operations=[launch])
        assert sent.events("UPDATE")[0]["update"]["status"]["reason"] == "REASON_INVALID_OFFERS"

    run(work)


def test_declined_resources_come_back_after_the_refusal(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        await settle()
        offers = [{"value": offer_id} for offer_id in w.framework.offers]
        w.call("DECLINE", offer_ids=offers, filters={"refuse_seconds": 0.2})
        await settle(0.1)
        assert len(sent.events("OFFERS")) == 1
        await settle(0.3)
        assert len(sent.events("OFFERS")) == 2
        w.call("DECLINE", offer_ids=[{"value": offer_id} for offer_id in w.framework.offers])
        w.call("SUPPRESS")
        w.call("REVIVE")
        await settle(0.1)
        assert len(sent.events("OFFERS")) == 3

    run(work)


def test_two_frameworks_take_turns(sent: Sent) -> None:
    async def work() -> None:
        first = await world(sent, agents=2)
        await settle()
        second = World(first.leader, sent, name="second")
        declined = [{"value": offer_id} for offer_id in first.framework.offers]
        first.call("DECLINE", offer_ids=declined[:1], filters={"refuse_seconds": 0})
        await settle(0.1)
        assert len(second.framework.offers) == 1

    run(work)


def test_a_lost_agent_loses_tasks_that_are_not_checkpointed(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent, checkpoint=False)
        agent_id = await w.launch("t")
        agent = w.leader.state.agents[agent_id["value"]]
        assert agent.stream
        agent.stream.ended()
        status = sent.events("UPDATE")[0]["update"]["status"]
        assert (status["state"], status["reason"]) == ("TASK_LOST", "REASON_AGENT_DISCONNECTED")
        assert (agent.connected, agent.active) == (False, False)

    run(work)


@pytest.mark.parametrize(("aware", "state"), [(True, "TASK_UNREACHABLE"), (False, "TASK_LOST")])
def test_an_unreachable_agent_comes_back_with_its_tasks(aware: bool, state: str, sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent, capabilities=[{"type": "PARTITION_AWARE"}] if aware else [])
        agent_id = await w.launch("t")
        w.report("t", "TASK_RUNNING", agent_id, "u1")
        agent = w.leader.state.agents[agent_id["value"]]
        task = dict(next(iter(agent.tasks.values())).info)
        await w.leader.agents.mark_unreachable(agent, "health check timed out")
        assert w.states()[-1] == state
        assert sent.events("FAILURE")
        assert list(w.leader.registrar.value["unreachable"]) == [agent.id]
        row = {"framework_id": w.id, "info": task, "state": "TASK_RUNNING", "statuses": []}
        await w.leader.agents.register(form(1, agent_id=agent.id, tasks=[row], frameworks=[w.framework.info]))
        assert (list(w.framework.tasks), list(w.leader.registrar.value["unreachable"])) == (["t"], [])

    run(work)


def test_a_task_the_agent_does_not_know_is_lost(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        agent_id = await w.launch("t")
        await w.leader.agents.register(form(1, agent_id=agent_id["value"]))
        assert sent.events("UPDATE")[0]["update"]["status"]["reason"] == "REASON_RECONCILIATION"

    run(work)


def test_a_new_leader_recovers_frameworks_from_agents(sent: Sent) -> None:
    async def work() -> None:
        leader = await elected(agents=0)
        info = {"id": {"value": "old-0000"}, "name": "fw", "user": "root"}
        task = {"task_id": {"value": "t"}, "agent_id": {"value": "old-S0"}, "resources": []}
        row = {"framework_id": "old-0000", "info": task, "state": "TASK_RUNNING", "statuses": []}
        await leader.agents.register(form(1, agent_id="old-S0", tasks=[row], frameworks=[info]))
        framework = leader.state.frameworks["old-0000"]
        assert (framework.recovered, framework.connected, list(framework.tasks)) == (True, False, ["t"])
        World(leader, sent, id={"value": "old-0000"})
        assert (framework.recovered, framework.connected) == (False, True)

    run(work)


def test_reconciliation_answers_for_known_and_unknown_tasks(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        agent_id = await w.launch("t")
        w.call("RECONCILE", tasks=[])
        w.call("RECONCILE", tasks=[{"task_id": {"value": "nope"}, "agent_id": agent_id}])
        statuses = [event["update"]["status"] for event in sent.events("UPDATE")]
        assert [(s["task_id"]["value"], s["state"]) for s in statuses] == [("t", "TASK_STAGING"), ("nope", "TASK_LOST")]
        assert {s["reason"] for s in statuses} == {"REASON_RECONCILIATION"}

    run(work)


def test_teardown_kills_and_completes(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        await w.launch("t")
        answer = await Routes(w.leader, str).answer(request("POST", "/teardown", f"frameworkId={w.id}"))
        assert isinstance(answer, web.Response)
        assert (answer.status, w.id in w.leader.state.frameworks) == (200, False)
        assert sent.events("SHUTDOWN_FRAMEWORK")[0]["framework_id"] == w.id
        w.leader.frameworks.subscribe({"user": "root", "name": "fw", "id": {"value": w.id}})
        assert sent.events("ERROR")[0]["error"] == {"message": "Framework has been removed"}

    run(work)


def test_a_framework_never_takes_on_another_principal(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        w.leader.frameworks.subscribe({"user": "root", "name": "fw", "id": {"value": w.id}, "principal": "fw"})
        assert sent.events("ERROR")[0]["error"] == {"message": "Changing framework's principal is not allowed."}
        assert "principal" not in w.framework.info

    run(work)


def test_a_framework_that_leaves_is_removed_after_its_failover_timeout(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent, failover_timeout=0.1)
        assert isinstance(w.stream, web.Stream)
        w.stream.ended()
        assert not w.framework.connected
        await settle(0.2)
        assert w.id not in w.leader.state.frameworks

    run(work)
