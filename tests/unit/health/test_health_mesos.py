"""Masters and agents, on what a real Mesos answered."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.probe.health import ask, web

Recorded = Callable[[str], Any]
Serve = Callable[..., str]
STARTING = (404, "404 Not Found.")
NOT_RECOVERED = (503, "Master has not finished recovery")


def rows(listing: Any) -> Callable[[str], Any]:
    """What `/slaves` answers to a query, with the agents of a GET_AGENTS answer; its shape is held against a real one on labs."""
    flat = [{**each, **each["agent_info"], "id": each["agent_info"]["id"]["value"]} for each in listing["get_agents"].get("agents", [])]
    return lambda query: {"slaves": [each for each in flat if query in ("", "slave_id=" + each["id"])], "recovered_slaves": []}


def listing(answer: Any) -> dict[str, Any]:
    """How a leading master answers both questions for its agents."""
    return {"GET_AGENTS": (200, answer), "GET /slaves": (200, rows(answer))}


def leader(recorded: Recorded, **changes: Any) -> dict[str, Any]:
    routes = {
        "GET /version": (200, recorded("master-leader-version")),
        "GET /flags": (200, recorded("master-leader-flags")),
        "GET /metrics/snapshot": (200, recorded("master-leader-metrics_snapshot")),
        "GET /health": (200, ""),
        **listing(recorded("master-leader-api-GET_AGENTS")),
        "GET_MASTER": (200, recorded("master-leader-api-GET_MASTER")),
    }
    return {**routes, **changes}


def follower(recorded: Recorded, location: str) -> dict[str, Any]:
    redirect = (307, "", {"Location": f"//{location}/master/api/v1"})
    return leader(recorded, GET_AGENTS=redirect, GET_MASTER=redirect,
                  **{"GET /metrics/snapshot": (200, recorded("master-nonleader-metrics_snapshot"))})


def ask_master(server: str, masters: int = 3, quorum: int = 2) -> dict[str, Any]:
    host, port = server.split(":")
    return ask("mesos_master", {"unit": "mesos-master", "address": host, "port": int(port), "masters": masters, "quorum": quorum})


def ask_agent(server: str, masters: list[str], **more: Any) -> dict[str, Any]:
    host, port = server.split(":")
    return ask("mesos_agent", {"unit": "mesos-agent", "address": host, "port": int(port), "hostname": "a1", "masters": masters, **more})


def agent(recorded: Recorded) -> dict[str, Any]:
    return {"GET /version": (200, recorded("agent-version")), "GET /health": (200, ""), "GET /state": (200, recorded("agent-state"))}


def closed_port() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def test_leader_says_how_many_agents_it_has(serve: Serve, recorded: Recorded) -> None:
    found = ask_master(serve(leader(recorded)))
    assert (found["state"], found["leader"], found["version"]) == ("ok", True, "1.12.0")
    assert found["detail"] == "leads with 2 active agents"
    assert found["facts"]["agents"] == 2 and found["facts"]["quorum"] == 2 and found["facts"]["ensemble_size"] == 3


def test_follower_is_ok_when_the_leader_it_names_really_leads(serve: Serve, recorded: Recorded) -> None:
    there = serve(leader(recorded))
    found = ask_master(serve(follower(recorded, there)))
    assert (found["state"], found["leader"], found["detail"]) == ("ok", False, f"follows {there}")


def test_follower_that_names_a_dead_leader_is_down(serve: Serve, recorded: Recorded) -> None:
    found = ask_master(serve(follower(recorded, closed_port())))
    assert found["state"] == "down" and "does not answer" in found["detail"]


def test_lone_master_is_down_although_health_and_elected_look_well(serve: Serve, recorded: Recorded) -> None:
    alone = recorded("boot-m1-alone-metrics_snapshot")
    assert alone["master/elected"] == 1
    found = ask_master(serve(leader(recorded, GET_AGENTS=NOT_RECOVERED, **{"GET /metrics/snapshot": (200, alone)})))
    assert found["state"] == "down" and "503: Master has not finished recovery" in found["detail"]


def test_master_without_routes_is_still_starting(serve: Serve, recorded: Recorded) -> None:
    found = ask_master(serve({"GET /version": (200, recorded("master-leader-version"))}))
    assert found["state"] == "down" and "404" in found["detail"] and found["version"] == "1.12.0"


def test_other_quorum_than_requested_is_seen_and_is_no_matter_of_a_peer(serve: Serve, recorded: Recorded) -> None:
    found = ask_master(serve(leader(recorded)), masters=5, quorum=3)
    assert found["state"] == "degraded" and found["detail"] == "runs with quorum 2, but 5 masters need 3"
    assert "itself" not in found["facts"]


@pytest.mark.parametrize(("live", "state", "itself"), [(3, "ok", None), (2, "degraded", "ok"), (1, "down", None)])
def test_live_replicas_decide(serve: Serve, recorded: Recorded, live: int, state: str, itself: str | None) -> None:
    metrics = {**recorded("master-leader-metrics_snapshot"), "registrar/log/ensemble_size": float(live)}
    found = ask_master(serve(leader(recorded, **{"GET /metrics/snapshot": (200, metrics)})))
    assert (found["state"], found["facts"].get("itself")) == (state, itself)


def test_a_closed_mesos_is_asked_with_what_the_host_has_for_it(
        serve: Serve, recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = "Basic " + base64.b64encode(b"viewer:s3").decode()
    routes = leader(recorded, GET_AGENTS=(401, "Unauthorized."))
    routes[f"GET_AGENTS {login}"] = (200, recorded("master-leader-api-GET_AGENTS"))
    closed = serve(routes)
    monkeypatch.setattr(web, "CREDENTIALS", tmp_path)
    assert ask_master(closed)["state"] == "down"
    (tmp_path / "mesos.json").write_text(json.dumps({"Authorization": login}))
    assert ask_master(closed)["state"] == "ok"


def test_agent_is_ok_when_the_leader_lists_it_with_its_id_and_pid(serve: Serve, recorded: Recorded) -> None:
    there = serve(leader(recorded))
    found = ask_agent(serve(agent(recorded)), [closed_port(), serve(follower(recorded, there)), there])
    assert (found["state"], found["detail"], found["version"]) == ("ok", f"registered with {there}", "1.12.0")


@pytest.mark.parametrize(("demands", "said"), [("true", False), ("false", True)])
def test_an_agent_that_gives_tokens_and_demands_none_yet_says_so(serve: Serve, recorded: Recorded, demands: str, said: bool) -> None:
    there, routes = serve(leader(recorded)), agent(recorded)
    flags = {"jwt_secret_key": "/etc/mesos/jwt.key", "authenticate_http_executors": demands}
    routes["GET /state"] = (200, {**recorded("agent-state"), "flags": flags})
    found = ask_agent(serve(routes), [there])
    assert (found["state"], "still takes executors without a token" in found["detail"]) == ("ok", said)


@pytest.mark.parametrize(("flags", "closed"), [({"authenticate_http_readonly": "true"}, True), ({}, False)])
def test_a_master_says_whether_it_is_closed(serve: Serve, recorded: Recorded, flags: dict[str, str], closed: bool) -> None:
    told = {"flags": {**recorded("master-leader-flags")["flags"], **flags}}
    assert ask_master(serve(leader(recorded, **{"GET /flags": (200, told)})))["facts"]["closed"] is closed


def test_what_the_catalogue_notes_about_the_package_is_said_with_the_agents_state(serve: Serve, recorded: Recorded) -> None:
    there = serve(leader(recorded))
    found = ask_agent(serve(agent(recorded)), [there], note="executors and fetcher are the lab's")
    assert (found["state"], found["detail"]) == ("ok", f"registered with {there}; executors and fetcher are the lab's")


@pytest.mark.parametrize(("listed", "state", "says"), [
    ("agentdown-GET_AGENTS-2s", "down", "inactive"),
    ("agentdown-GET_AGENTS-unreachable", "down", "not registered"),
    ("drain-21-GET_AGENTS-1", "degraded", "deactivated and DRAINING"),
])
def test_agent_is_what_the_leader_says_of_it(serve: Serve, recorded: Recorded, listed: str, state: str, says: str) -> None:
    there = serve(leader(recorded, **listing(recorded(listed))))
    found = ask_agent(serve(agent(recorded)), [there])
    assert found["state"] == state and says in found["detail"]


@pytest.mark.parametrize(("change", "says"), [
    ({"id": ""}, "never registered"),
    ({"id": "another-S9"}, "knows d2157a74-a0da-436e-afb2-8f7f64102d34-S1 at this address instead"),
    ({"pid": "slave(1)@127.0.0.1:9"}, "runs as slave(1)@127.0.0.1:9"),
])
def test_agent_with_another_identity_is_down(serve: Serve, recorded: Recorded, change: dict[str, str], says: str) -> None:
    routes = {**agent(recorded), "GET /state": (200, {**recorded("agent-state"), **change})}
    found = ask_agent(serve(routes), [serve(leader(recorded))])
    assert found["state"] == "down" and says in found["detail"]


def test_agent_without_any_leading_master_says_what_the_masters_say(serve: Serve, recorded: Recorded) -> None:
    found = ask_agent(serve(agent(recorded)), [serve(leader(recorded, GET_MASTER=NOT_RECOVERED))])
    assert found["state"] == "down" and "no Mesos master leads" in found["detail"] and "503" in found["detail"]


def test_an_agent_that_is_listed_asks_for_its_own_row_only(serve: Serve, recorded: Recorded) -> None:
    """Of a thousand agents each would be sent a list of a thousand."""
    found = ask_agent(serve(agent(recorded)), [serve(leader(recorded, GET_AGENTS=(500, "too much")))])
    assert found["state"] == "ok"


def test_agent_that_has_not_recovered_is_down(serve: Serve, recorded: Recorded) -> None:
    found = ask_agent(serve({**agent(recorded), "GET /health": STARTING}), [])
    assert found["state"] == "down" and "has not recovered" in found["detail"]
