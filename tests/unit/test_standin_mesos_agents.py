"""How the Mesos stand-in's master treats agents: draining, gone, replaced, authenticated."""

from __future__ import annotations

import json

import pytest

from tests.unit.mesos_standin_samples import (
    Json,
    Sent,
    ask,
    call,
    differences,
    elected,
    form,
    make_leader,
    recorded,
    request,
    run,
    settle,
    world,
)

from mesos_standin import credentials, process, web  # isort: skip
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


def test_drain_follows_the_tasks(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        agent_id = await w.launch("t")
        w.report("t", "TASK_RUNNING", agent_id, "u1")
        answer = await call(w.leader, "DRAIN_AGENT", agent_id=agent_id, max_grace_period={"seconds": 20})
        assert (answer.status, answer.body) == (200, b"")
        shown = json.loads((await call(w.leader, "GET_AGENTS")).body)
        assert differences(BODIES["drain-21-GET_AGENTS-1"], shown) == ["/get_agents/agents[]/reregistered_time missing"]
        assert sent.events("DRAIN")[0]["config"]["max_grace_period"] == {"nanoseconds": 20000000000}
        refused = await call(w.leader, "REACTIVATE_AGENT", agent_id=agent_id)
        assert (refused.status, refused.body) == (400, b"Agent is still in the DRAINING state")
        w.report("t", "TASK_KILLED", agent_id, "u2")
        await settle(0.2)
        agent = w.leader.state.agents[agent_id["value"]]
        assert agent.drain and agent.drain["state"] == "DRAINING"
        w.call("ACKNOWLEDGE", agent_id=agent_id, task_id={"value": "t"}, uuid="u2")
        await settle()
        assert agent.drain["state"] == "DRAINED"
        assert (await call(w.leader, "REACTIVATE_AGENT", agent_id=agent_id)).status == 200
        assert agent.active

    run(work)


def test_a_drain_waits_for_ever_for_a_framework_that_went_away(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        agent_id = await w.launch("t")
        await call(w.leader, "DRAIN_AGENT", agent_id=agent_id)
        w.report("t", "TASK_KILLED", agent_id, "u1")
        await ask(w.leader, "POST", "/teardown", f"frameworkId={w.id}")
        await settle(0.2)
        agent = w.leader.state.agents[agent_id["value"]]
        assert agent.drain and agent.drain["state"] == "DRAINING"
        await call(w.leader, "DRAIN_AGENT", agent_id=agent_id)
        await settle(0.2)
        assert agent.drain["state"] == "DRAINED"

    run(work)


def test_gone_agents_are_sent_away_for_ever(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        leader = await elected(agents=1)
        shut: list[tuple[str, str]] = []
        monkeypatch.setattr(leader.agents, "shut_down", lambda pid, reason: shut.append((pid, reason)))
        agent_id = next(iter(leader.state.agents))
        assert (await call(leader, "MARK_AGENT_GONE", agent_id={"value": agent_id})).status == 200
        assert (await call(leader, "MARK_AGENT_GONE", agent_id={"value": agent_id})).status == 200
        answer = await leader.agents.register(form(1, agent_id=agent_id))
        assert isinstance(answer, web.Response)
        assert shut == [("slave(1)@127.0.0.1:5051", "Agent has been marked gone")] * 2

    run(work)


def test_a_new_agent_replaces_a_disconnected_one_at_its_address(sent: Sent) -> None:
    async def work() -> None:
        leader = await elected(agents=1)
        (old,) = leader.state.agents.values()
        assert old.stream
        old.stream.ended()
        await leader.agents.register(form(1))
        assert [agent.id for agent in leader.state.agents.values()] == [f"{leader.info['id']}-S1"]
        await leader.agents.register(form(1, agent_id=old.id))
        assert len(leader.state.agents) == 2

    run(work)


@pytest.mark.parametrize(
    ("credential", "status"),
    [({"principal": "a", "secret": "s"}, 0), ({"principal": "a", "secret": "x"}, 403), ({"principal": "b"}, 403), ({}, 503)],
)
def test_agents_prove_who_they_are(credential: dict[str, str], status: int, sent: Sent) -> None:
    async def work() -> None:
        leader = make_leader("--authenticate_agents", credentials={"a": "s"})
        leader.elect()
        await settle()
        extra: Json = {}
        if credential:
            proof = credentials.proof(credential.get("secret", ""), "n")
            extra = {"principal": credential["principal"], "nonce": "n", "proof": proof}
        answer = await leader.agents.register(form(1, **extra))
        assert (answer.status if isinstance(answer, web.Response) else 0) == status

    run(work)


@pytest.mark.parametrize(("authenticated", "claimed", "status"), [("fw", "fw", 200), ("fw", "op", 403), ("fw", None, 200)])
def test_a_framework_uses_its_own_principal(authenticated: str, claimed: str | None, status: int, sent: Sent) -> None:
    async def work() -> None:
        leader = make_leader("--authenticate_http_frameworks", credentials={"fw": "fwpw"})
        leader.elect()
        await settle()
        info = {"user": "root", "name": "x", **({"principal": claimed} if claimed else {})}
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
        headers = {"Content-Type": "application/json", "Authorization": "Basic Znc6Zndwdw=="}
        answer = await Routes(leader, str).answer(request("POST", "/api/v1/scheduler", body, headers))
        assert (answer.status if isinstance(answer, web.Response) else 200) == status

    run(work)


def test_a_lost_offer_is_rescinded_when_its_agent_is_deactivated(sent: Sent) -> None:
    async def work() -> None:
        w = await world(sent)
        await settle()
        (offer,) = w.framework.offers.values()
        await call(w.leader, "DEACTIVATE_AGENT", agent_id={"value": offer.agent_id})
        assert sent.events("RESCIND")[0]["rescind"]["offer_id"] == {"value": offer.id}
        await settle(0.1)
        assert len(sent.events("OFFERS")) == 1

    run(work)
