"""Marathon and Chronos: a member that leads counts only while the leading Mesos master lists its framework from there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from provisioner.probe.health import ask, cause, docker_engine, systemd
from provisioner.probe.health.mesos import frameworks

Serve = Callable[..., str]
VIA = {"X-Marathon-Via": "1.1 m2:8080"}
OLD = "4fbd8d21-0e36-4b7e-a7de-1f53d6a6d1b7-0000"
INFO = {"version": "1.11.24", "name": "marathon", "elected": True, "frameworkId": OLD}


def framework(**changes: Any) -> dict[str, Any]:
    """One of a GET_FRAMEWORKS answer, as Mesos 1.11.0 gives it (resources left out)."""
    info = {"id": {"value": OLD}, "name": "marathon", "hostname": "127.0.0.1", "webui_url": "http://127.0.0.1:8080", "user": "root",
            "failover_timeout": 604800.0, "checkpoint": True, "principal": "marathon", **changes.pop("info", {})}
    return {"active": True, "connected": True, "recovered": False, "framework_info": info,
            "registered_time": {"nanoseconds": int((time.time() - 100) * 1e9)}, **changes}


def master(living: Any = (), completed: Any = ()) -> dict[str, Any]:
    return {"GET_FRAMEWORKS": (200, {"type": "GET_FRAMEWORKS", "get_frameworks": {
        "frameworks": list(living), "completed_frameworks": list(completed)}})}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the unit's journal holds."""
    found: list[str] = []
    monkeypatch.setattr(cause, "journal", lambda name, seconds, most=cause.LINES: found[-most:])
    return found


@pytest.fixture(autouse=True)
def last_lines(lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read from this machine's journal, and its systemd is not asked."""
    monkeypatch.setattr(cause, "unit", lambda name: systemd.unit(name))


def marathon(server: str, *masters: str) -> dict[str, Any]:
    host, port = server.split(":")
    return ask("marathon", {"unit": "marathon", "address": host, "port": int(port), "framework": "marathon", "masters": list(masters)})


def own(info: dict[str, Any] | None = None, leader: Any = "m1:8080", headers: dict[str, str] | None = None) -> dict[str, Any]:
    return {"GET /v2/info": (200, INFO if info is None else info, headers or {}),
            "GET /v2/leader": (200, {"leader": leader}) if leader else (404, {"message": "There is no leader"})}


def test_a_leader_that_mesos_lists_from_here_is_well(serve: Serve) -> None:
    found = marathon(serve(own()), serve({"GET_FRAMEWORKS": (307, "")}), serve(master([framework()])))
    assert (found["state"], found["leader"], found["detail"], found["facts"]["framework"]) == ("ok", True, "leads", "registered")
    assert 90 < found["facts"]["registered_seconds"] < 110 and found["facts"]["framework_id"] == OLD


@pytest.mark.parametrize(("listed", "says"), [
    ([], "lists no framework of it"),
    ([framework(info={"id": {"value": "another"}})], "lists no framework of it"),
    ([framework(connected=False, active=False)], f"lists its framework {OLD} as disconnected"),
    ([framework(active=False)], "as inactive"),
    ([framework(info={"hostname": "192.0.2.9"})], "as connected from 192.0.2.9"),
])
def test_a_leader_that_mesos_does_not_list_as_working_here_has_no_driver(serve: Serve, listed: list[Any], says: str) -> None:
    found = marathon(serve(own()), serve(master(listed)))
    assert (found["state"], found["leader"], found["facts"]["framework"]) == ("down", True, "missing")
    assert says in found["detail"] and "'provision up' restarts it)" in found["detail"]


def test_a_leader_without_an_id_is_looked_for_by_its_name(serve: Serve) -> None:
    fresh = serve(own({**INFO, "frameworkId": None}))
    assert marathon(fresh, serve(master([framework()])))["state"] == "ok"
    assert marathon(fresh, serve(master()))["facts"]["framework"] == "missing"


def test_a_framework_that_mesos_removed_needs_a_repair(serve: Serve) -> None:
    found = marathon(serve(own()), serve(master([], [framework(active=False, connected=False)])))
    assert (found["state"], found["leader"], found["facts"]["framework"]) == ("down", True, "removed")
    assert "Mesos has removed its framework" in found["detail"] and "'provision repair marathon'" in found["detail"]


def test_a_refusal_in_the_journal_counts_when_mesos_has_forgotten_the_removed_framework(serve: Serve, lines: list[str]) -> None:
    lines.append("[2026-11-29] WARN  Error: Framework has been removed")
    lines += ["INFO  it leads on, and writes what it does"] * 1000
    assert marathon(serve(own()), serve(master()))["facts"]["framework"] == "removed"
    assert marathon(serve(own()), serve(master([framework()])))["state"] == "ok", "registered since"


def test_without_a_leading_master_the_leader_itself_is_not_blamed(serve: Serve) -> None:
    found = marathon(serve(own()), serve({"GET_FRAMEWORKS": (503, "Master has not finished recovery")}))
    assert (found["state"], found["leader"], found["facts"]["itself"], found["facts"]["framework"]) == ("degraded", True, "ok", "unknown")
    assert "no Mesos master leads" in found["detail"] and "503" in found["detail"]


@pytest.mark.parametrize(("info", "headers"), [(INFO, VIA), ({**INFO, "elected": False}, {})])
def test_a_follower_needs_no_framework(serve: Serve, info: dict[str, Any], headers: dict[str, str]) -> None:
    found = marathon(serve(own(info, headers=headers)))
    assert (found["state"], found["leader"], found["detail"]) == ("ok", False, "follows m1:8080")


@pytest.mark.parametrize("reply", [
    (502, "<html><title>Error 502 Connection to leader refused.</title></html>"),
    (502, {"message": "Error proxying request to leader m1:8080: ConnectionRefusedError"}),
    (500, "<html>Internal Server Error</html>", VIA),
])
def test_a_follower_is_not_ill_when_its_leader_is(serve: Serve, reply: Any) -> None:
    found = marathon(serve({"GET /v2/info": reply, "GET /ping": reply}))
    assert (found["state"], found["facts"]["itself"], found["leader"]) == ("degraded", "ok", False)
    assert "follows a leader that does not answer" in found["detail"]


@pytest.mark.parametrize("routes", [
    {"GET /v2/info": (502, "Could not determine the current leader")}, {"GET /v2/info": (500, "boom")}, own(leader=None)])
def test_a_member_without_any_leader_or_with_an_error_of_its_own_is_down(serve: Serve, routes: Any) -> None:
    assert marathon(serve(routes), serve(master([framework()])))["state"] == "down"


def failing(status: str = "110", sub: str = "auto-restart") -> dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": "activating", "SubState": sub, "NRestarts": "24", "Result": "exit-code",
            "ExecMainStatus": status, "ActiveEnterTimestampMonotonic": "0"}


def test_a_unit_that_stops_again_and_again_over_a_removed_framework_says_so(serve: Serve, units: Any, lines: list[str]) -> None:
    units["marathon"] = failing()
    found = marathon("127.0.0.1:1", serve(master([], [framework()])))
    assert (found["state"], found["facts"]["framework"], found["facts"]["unit"]["restarts"]) == ("down", "removed", 24)
    assert "stops again and again (24 restarts): Mesos has removed its framework" in found["detail"]
    lines += ["Error: Framework has been removed", "marathon.service: Main process exited, code=exited, status=110/n/a"]
    assert marathon("127.0.0.1:1", serve({"GET_FRAMEWORKS": (503, "")}))["facts"]["framework"] == "removed"
    assert marathon("127.0.0.1:1", serve(master([framework()])))["facts"].get("framework") is None, "another member has registered"


def test_a_marathon_that_gave_up_the_lead_is_not_called_one_that_stops_again_and_again(serve: Serve, units: Any, lines: list[str]) -> None:
    units["marathon"] = failing("103")
    lines.append("INFO  Lost leadership; crashing")
    detail = marathon("127.0.0.1:1", serve(master([framework()])))["detail"]
    assert detail.startswith("gave up the lead, as a Marathon does when Mesos' leader changes, and is being started again (24 restarts)")
    assert detail.endswith("its last words: INFO Lost leadership; crashing")
    units["marathon"]["NRestarts"] = "0"
    assert marathon("127.0.0.1:1", serve(master([framework()])))["detail"].startswith("gave up the lead"), "before the first restart"


def test_another_cause_is_told_in_the_units_own_last_words(serve: Serve, units: Any, lines: list[str]) -> None:
    units["marathon"] = failing("100")
    lines += ["INFO starting", "ERROR Failed to connect to ZooKeeper at zk://192.0.2.1:2181, exiting now.", "\tat java.base/Thread.run",
              "marathon.service: Failed with result 'exit-code'.", "Started marathon.service - Marathon."]
    detail = marathon("127.0.0.1:1", serve(master([framework()])))["detail"]
    assert "24 restarts, last result exit-code, exit status 100" in detail
    assert detail.endswith("its last words: ERROR Failed to connect to ZooKeeper at zk://192.0.2.1:2181, exiting now.")
    lines.append("Error: Bad arguments for option 'zk': 'zk://marathon:a/b:c@192.0.2.1:2181' - no path")
    assert marathon("127.0.0.1:1", serve(master([framework()])))["detail"].endswith("'zk': 'zk://***@192.0.2.1:2181' - no path")


@pytest.fixture
def chronos(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """`chronos(routes, *masters)`: what the probe says of a Chronos with these answers; its container runs."""
    state = {"State": {"Running": True, "Status": "running"}, "Config": {"Image": "r:5000/chronos:3.0.2-standin", "Env": []}, "Args": []}
    monkeypatch.setattr(docker_engine, "SOCKET", serve({"GET /containers/chronos/json": (200, state)}))

    def look(routes: dict[str, Any], *masters: str) -> dict[str, Any]:
        host, port = serve(routes).split(":")
        for name, (status, body, *more) in list(routes.items()):
            if isinstance(body, dict) and "leader" in body:
                routes[name] = (status, {"leader": body["leader"].replace("PORT", port)}, *more)
        return ask("chronos", {"unit": "chronos", "address": host, "port": int(port), "framework": "chronos", "masters": list(masters)})

    return look


CHRONOS = framework(info={"name": "chronos", "id": {"value": "c-1"}})
PATH = "GET /v1/scheduler/leader"
Look = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("path", [PATH, "GET /scheduler/leader"])
def test_chronos_of_both_generations(serve: Serve, chronos: Look, path: str) -> None:
    found = chronos({path: (200, {"leader": "elsewhere.invalid:4400"})})
    assert (found["state"], found["leader"], found["version"], found["stand_in"]) == ("ok", False, "3.0.2-standin", True)
    found = chronos({path: (200, {"leader": "localhost:PORT"})}, serve(master([CHRONOS])))
    assert (found["state"], found["leader"], found["version"], found["facts"]["framework_id"]) == ("ok", True, "3.0.2-standin", "c-1")
    assert chronos({path: (200, {"leader": ""})})["state"] == "down"


def test_a_chronos_that_leads_without_a_framework_is_down(serve: Serve, chronos: Look) -> None:
    leads: dict[str, Any] = {PATH: (200, {"leader": "127.0.0.1:PORT"})}
    found = chronos(dict(leads), serve(master([framework()])))
    assert (found["state"], found["facts"]["framework"]) == ("down", "missing") and "lists no framework of it" in found["detail"]
    found = chronos(dict(leads), serve(master([framework()], [CHRONOS])))
    assert (found["state"], found["facts"]["framework"]) == ("down", "removed") and "'provision repair chronos'" in found["detail"]
    # An earlier one was removed and repaired; the one of now has only lost its driver.
    away = framework(info={"name": "chronos", "id": {"value": "c-2"}}, active=False, connected=False)
    assert chronos(dict(leads), serve(master([away], [CHRONOS])))["facts"]["framework"] == "missing"


def test_after_a_repair_the_framework_of_before_is_not_that_of_a_leader_that_has_none_yet(serve: Serve, chronos: Look, units: Any) -> None:
    units["chronos"] = units["marathon"] = up_for(5)  # and what Mesos has removed had registered 100 s ago
    found = chronos({PATH: (200, {"leader": "127.0.0.1:PORT"})}, serve(master([], [CHRONOS])))
    assert (found["state"], found["facts"]["framework"]) == ("down", "missing")
    fresh = serve(own({**INFO, "frameworkId": None}))
    assert marathon(fresh, serve(master([], [framework()])))["facts"]["framework"] == "missing"
    assert marathon(serve(own()), serve(master([], [framework()])))["facts"]["framework"] == "removed", "by its own id"
    units["marathon"] = up_for(500)
    assert marathon(fresh, serve(master([], [framework()])))["facts"]["framework"] == "removed"


def up_for(seconds: float) -> dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "NRestarts": "0", "Result": "success",
            "ActiveEnterTimestampMonotonic": str(int((time.monotonic() - seconds) * 1e6))}


def test_a_refusal_of_before_a_repair_is_not_that_of_a_member_that_ends_for_another_reason(
        serve: Serve, units: Any, lines: list[str]) -> None:
    units["marathon"] = {**failing("103"), "NRestarts": "1"}
    lines += ["Started marathon.service - Marathon.", "Error: Framework has been removed", "Started marathon.service - Marathon.",
              "INFO  Lost leadership; crashing", "Started Marathon.", "INFO  Lost leadership; crashing"]
    found = marathon("127.0.0.1:1", serve(master([], [framework()])))
    assert found["facts"].get("framework") is None and found["detail"].startswith("gave up the lead")
    units["marathon"]["NRestarts"] = "2"
    assert marathon("127.0.0.1:1", serve(master([], [framework()])))["facts"]["framework"] == "removed"


def test_a_chronos_that_follows_is_not_ill_when_its_leader_is(chronos: Look) -> None:
    html = "<html><pre>Error proxying request to leader (maybe the leadership just changed?)\n\nError:\njava.net.ConnectException</pre>"
    found = chronos({PATH: (500, html)})
    assert (found["state"], found["facts"]["itself"], found["leader"]) == ("degraded", "ok", False)
    assert chronos({PATH: (500, "boom")})["state"] == "down"


def test_chronos_container_that_ended_is_down(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"State": {"Running": False, "Status": "exited", "ExitCode": 1}, "Config": {"Image": "chronos:3.0.2", "Env": []}, "Args": []}
    monkeypatch.setattr(docker_engine, "SOCKET", serve({"GET /containers/chronos/json": (200, state)}))
    found = ask("chronos", {"unit": "chronos", "address": "127.0.0.1", "port": 1, "framework": "chronos", "masters": []})
    assert found["state"] == "down" and found["detail"] == "the container chronos is exited (exit code 1)"


def test_a_real_list_of_frameworks_says_which_are_left_and_which_were_removed(recorded: Callable[[str], Any]) -> None:
    """Mesos 1.11.0, after Marathon's and Chronos' frameworks were torn down and each had registered anew."""
    rows = frameworks(recorded("torn-down-api-GET_FRAMEWORKS"))
    assert sorted((row["name"], row["removed"], row["active"] and row["connected"]) for row in rows) == [
        ("chronos", False, True), ("chronos", True, False), ("marathon", False, True), ("marathon", True, False)]
    assert all(row["hostname"] == "198.18.1.11" and len(row["id"]) == 41 and row["since"] > 1.7e9 for row in rows)
