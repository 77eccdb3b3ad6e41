"""The Mesos stand-in's master: its answers against the recorded ones, and the life of agents, tasks and frameworks."""

from __future__ import annotations

import json
from typing import Any

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
)

from mesos_standin import credentials, process, web  # isort: skip
from mesos_standin.agent import views as agent_views
from mesos_standin.agent.agent import Agent
from mesos_standin.agent.docker import Docker
from mesos_standin.agent.routes import Routes as AgentRoutes
from mesos_standin.flags import load
from mesos_standin.master.routes import Routes

BODIES = recorded("bodies")
ANSWERS = recorded("answers")
MACHINE = '{"hostname":"127.0.0.1","ip":"127.0.0.1"}'
CONTENT = ["Content-Type", "Location", "Allow", "WWW-Authenticate"]


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


def rows(*who: str) -> list[Json]:
    """The recorded exchanges with these masters, in their order."""
    return [row for row in ANSWERS if row["to"] in who]


async def problems(routes: Any, row: Json) -> list[str]:
    """Where an answer differs from the recorded one."""
    answer = await routes.answer(request(row["method"], row["path"], row["body"], row["headers"]))
    headers = {name: value for name, value in answer.headers.items() if name in CONTENT}
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    found = [] if answer.status == row["status"] else [f"status {row['status']} recorded, {answer.status} answered"]
    if headers != row["answer_headers"]:
        found.append(f"headers {row['answer_headers']} recorded, {headers} answered")
    if "text" in row and row["method"] != "HEAD" and answer.body.decode().strip() != row["text"]:
        found.append(f"{row['text']!r} recorded, {answer.body.decode()!r} answered")
    return [f"{row['case']}: {problem}" for problem in found]


def test_a_leader_answers_as_recorded(sent: Sent) -> None:
    async def work() -> list[str]:
        leader = await elected()
        routes = Routes(leader, lambda: "127.0.0.1:5050")
        found = []
        for row in rows("leader"):
            found += await problems(routes, row)
            if row["case"] == "maint-30-up":
                await leader.agents.register(form(1, agent_id=f"{leader.info['id']}-S0"))
        return found

    assert run(work) == []


def test_a_follower_sends_everybody_to_the_leader() -> None:
    async def work() -> list[str]:
        routes = Routes(make_leader(), lambda: "127.0.0.1:5050")
        return [problem for row in rows("follower") for problem in await problems(routes, row)]

    assert run(work) == []


def test_without_a_leader_most_is_503() -> None:
    async def work() -> list[str]:
        routes = Routes(make_leader(), lambda: "")
        return [problem for row in rows("leaderless") for problem in await problems(routes, row)]

    assert run(work) == []


def test_a_lone_elected_master_looks_well_except_for_the_v1_api() -> None:
    async def work() -> list[str]:
        leader = make_leader(quorum=2)
        leader.elect()
        await settle()
        routes = Routes(leader, lambda: "127.0.0.1:5050")
        found = [problem for row in rows("recovering") for problem in await problems(routes, row)]
        state = json.loads((await ask(leader, "GET", "/state")).body)
        return found + [d for d in differences(BODIES["boot-m1-alone-state"], state) if "/flags/" not in d]

    assert run(work) == []


def test_a_locked_master_asks_for_a_password() -> None:
    async def work() -> list[str]:
        leader = make_leader("--authenticate_http_readonly", "--authenticate_http_readwrite", credentials={"op": "oppw"})
        leader.elect()
        await settle()
        routes = Routes(leader, lambda: "127.0.0.1:5150")
        return [problem for row in rows("locked") for problem in await problems(routes, row)]

    assert run(work) == []


def test_a_right_password_opens() -> None:
    known = {"op": "oppw"}
    assert credentials.basic_principal("Basic b3A6b3Bwdw==", known) == "op"
    assert credentials.basic_principal("Basic b3A6bm9wZQ==", known) is None
    assert credentials.basic_principal("Bearer x", known) is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/state", "master-leader-state"),
        ("/slaves", "master-leader-slaves"),
        ("/state-summary", "master-leader-state-summary"),
        ("/frameworks", "master-leader-frameworks"),
        ("/version", "master-leader-version"),
    ],
)
def test_v0_shapes(path: str, name: str, sent: Sent) -> None:
    async def work() -> Any:
        return json.loads((await ask(await elected(), "GET", path)).body)

    found = differences(BODIES[name], run(work))
    assert [problem for problem in found if not problem.startswith("/flags/")] == []


@pytest.mark.parametrize("kind", ["GET_AGENTS", "GET_MASTER", "GET_STATE", "GET_VERSION"])
def test_v1_shapes(kind: str, sent: Sent) -> None:
    async def work() -> Any:
        return json.loads((await call(await elected(), kind)).body)

    assert differences(BODIES[f"master-leader-api-{kind}"], run(work)) == []


def test_agents_of_the_registry_are_shown_until_they_return(sent: Sent) -> None:
    async def work() -> Any:
        leader = await elected()
        again = await leader.agents.register(form(2, agent_id=f"{leader.info['id']}-S1"))
        assert isinstance(again, web.Stream)
        leader.state.agents.pop(f"{leader.info['id']}-S0")
        leader.state.recovered = {"S0": leader.registrar.value["agents"][f"{leader.info['id']}-S0"]}
        return json.loads((await ask(leader, "GET", "/slaves")).body)

    assert differences(BODIES["failover-sigkill-newleader-just-elected-slaves"], run(work)) == []


def make_agent(folder: Any) -> Agent:
    """The recorded agent a1, registered, without a master."""
    argv = [f"--work_dir={folder}", "--ip=127.0.0.1", "--launcher=posix", "--attributes=rack:a1;zone:z1"]
    agent = Agent(load("agent", argv, {}), form(1)["agent_info"], "127.0.0.1:5051", None, Docker(["docker"], False))
    agent.tasks.agent_id, agent.master_hostname = "x-S1", "localhost"
    return agent


def test_an_agent_answers_as_recorded(tmp_path: Any) -> None:
    async def work() -> list[str]:
        routes = AgentRoutes(make_agent(tmp_path), {})
        return [problem for row in rows("agent") for problem in await problems(routes, row)]

    assert run(work) == []


def test_agent_shapes(tmp_path: Any) -> None:
    async def work() -> list[str]:
        agent = make_agent(tmp_path)
        found = [d for d in differences(BODIES["agent-state"], agent_views.state(agent)) if "/flags/" not in d]
        for kind in ("GET_STATE", "GET_AGENT"):
            headers = {"content-type": "application/json"}
            answer = await AgentRoutes(agent, {}).answer(request("POST", "/api/v1", json.dumps({"type": kind}), headers))
            assert isinstance(answer, web.Response)
            found += differences(BODIES[f"agent-api-{kind}"], json.loads(answer.body))
        agent.tasks.drain_config = {"max_grace_period": {"nanoseconds": 1}, "mark_gone": False}
        found += differences(BODIES["drain-21-agent-state-1"], agent_views.state(agent))
        return [problem for problem in found if "/flags/" not in problem and "/frameworks:" not in problem]

    assert run(work) == []
