"""How members of ZooKeeper that speak in clear come to speak TLS, and back: nobody is ever told what another does not understand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from provisioner.components.zookeeper import health
from provisioner.components.zookeeper.phases import ORDER, STATES, phases
from provisioner.plan.phases import Members
from tests.unit.builders import cluster

CLOSED: dict[str, Any] = {"common_authority": {"key": "k"}}
OPEN: dict[str, Any] = {"common_authority": {}}
#: In which states others may be beside one in this: what each says the other has to understand.
TOGETHER = {"off": {"off", "accept"}, "accept": {"off", "accept", "use"}, "use": {"accept", "use", "require"},
            "require": {"use", "require"}}


def member(state: str, version: str = "3.8.0", servers: int = 3) -> dict[str, Any]:
    return {"tls": STATES[state], "version": version, "servers": list(range(1, servers + 1))}


def way(wanted: dict[str, Any], serving: dict[str, Any], *absent: str, moving: bool = False) -> list[tuple[tuple[str, ...], str]]:
    """The passes that are planned: on whom, and how far each brings them."""
    found = phases(Members(cluster(), wanted, serving, frozenset(absent), moving))
    return [(phase.hosts, phase.variables["zookeeper_quorum_tls"]) for phase in found]


@pytest.mark.parametrize("wanted", [CLOSED, OPEN])
@pytest.mark.parametrize("states", [
    ("off", "off", "off"), ("off", "accept", "accept"), ("accept", "accept", "use"), ("use", "require", "use"), ("require",) * 3])
def test_from_wherever_a_run_was_cut_off_any_two_members_understand_each_other(states: tuple[str, ...], wanted: dict[str, Any]) -> None:
    now = dict(zip(("m1", "m2", "m3"), states, strict=True))
    end = "require" if wanted is CLOSED else "off"
    passes = way(wanted, {h: member(s) for h, s in now.items()})
    for hosts, state in [*passes, (tuple(now), end)]:
        for host in hosts:
            now[host] = state
            assert all(other in TOGETHER[one] for one in now.values() for other in now.values()), now
    assert set(now.values()) == {end}


def test_who_is_there_already_passes_nothing() -> None:
    assert way(CLOSED, dict.fromkeys(("m1", "m2", "m3"), member("require"))) == []
    assert way(OPEN, dict.fromkeys(("m1", "m2", "m3"), member("off"))) == []


def test_one_that_lost_its_settings_goes_where_the_others_are() -> None:
    """Nobody would understand it in a phase of its own."""
    assert way(CLOSED, {"m1": member("require"), "m2": member("off"), "m3": member("require")}) == []
    assert way(OPEN, {"m1": member("off"), "m2": member("require"), "m3": member("off")}) == []
    lost = {"m1": member("use"), "m2": member("off"), "m3": member("accept")}
    assert way(CLOSED, lost) == [(("m2", "m3"), "use")]


def test_a_lone_member_and_an_old_one_stay_as_they_are() -> None:
    assert way(CLOSED, {"m1": member("off", servers=0)}) == []
    assert way(CLOSED, dict.fromkeys(("m1", "m2", "m3"), member("off", "3.4.13"))) == []
    # Its version moves: first all get there, in clear, as a new one would not be understood.
    old = dict.fromkeys(("m1", "m2", "m3"), member("off", "3.4.13"))
    assert way(CLOSED, old, moving=True) == [(("m1", "m2", "m3"), state) for state in ("off", "accept", "use")]
    assert way(CLOSED, {**old, "m1": member("off")}, moving=True)[0] == (("m1", "m2", "m3"), "off"), "cut off after the first"
    assert way(OPEN, old, moving=True) == []
    assert ORDER == ("off", "accept", "use", "require")


def test_who_does_not_serve_comes_back_as_those_who_do_understand_it() -> None:
    serving = {"m1": member("accept"), "m3": member("off")}
    assert way(CLOSED, serving, "m2") == [(("m2", "m3"), "accept"), (("m1", "m2", "m3"), "use")]
    assert way(CLOSED, dict.fromkeys(("m1", "m3"), member("use")), "m2") == []
    assert way(OPEN, dict.fromkeys(("m1", "m3"), member("accept")), "m2") == []


@pytest.mark.parametrize(("written", "started", "found"), [
    ("", "", []),
    # A run was killed after it had written the settings: the process does not speak TLS yet, or less of it than they say.
    ("sslQuorum=false\nportUnification=true\n", "", []),
    ("sslQuorum=true\nportUnification=true\n", "sslQuorum=false\nportUnification=true\n", ["portUnification"]),
    ("sslQuorum=true\nportUnification=false\n", "sslQuorum=true\nportUnification=false\n", ["sslQuorum"]),
    # What is left of an earlier start.
    ("", "sslQuorum=true\nportUnification=true\n", []),
])
def test_a_member_says_what_it_was_started_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, started: str,
                                                found: list[str]) -> None:
    for name, text in (("SETTINGS", written), ("STARTED", started)):
        monkeypatch.setattr(health, name, tmp_path / name)
        if text:
            (tmp_path / name).write_text(text)
    answers = {"srvr": "Zookeeper version: 3.8.0-1\nMode: follower\nZxid: 0x1\n", "conf": "membership:\nserver.1=a\nserver.2=b\n"}
    monkeypatch.setattr(health, "_words", lambda request, command: answers[command])
    monkeypatch.setattr(health, "running", lambda unit, steady: None)
    assert health.health({"unit": "zookeeper", "members": 2})["facts"]["tls"] == found
