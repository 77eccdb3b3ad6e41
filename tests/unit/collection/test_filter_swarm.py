"""What a host has to do about its swarm, from what the managers say."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.filter.swarm import swarm

NETWORK = {"cluster": {"subnets": ["10.32.0.0/16"], "attachable": True, "mtu": 0, "encrypted": False}}
NODES = [
    {"id": "N1", "address": "10.0.0.1", "role": "manager", "availability": "active", "state": "ready"},
    {"id": "N2", "address": "10.0.0.2", "role": "manager", "availability": "drain", "state": "ready"},
    {"id": "OLD", "address": "10.0.0.9", "role": "worker", "availability": "active", "state": "down"},
]
ALONE = {"state": "inactive", "error": "", "manager": False, "node": "", "nodes": [], "joined": [], "networks": {}}


def member(node: str, **more: Any) -> dict[str, Any]:
    return {**ALONE, "state": "active", "node": node, **more}


def manager(node: str, **more: Any) -> dict[str, Any]:
    return member(node, manager=True, nodes=NODES, networks=NETWORK, **more)


UNNUMBERED = {"cluster": {"subnets": [None], "attachable": True, "mtu": 0, "encrypted": False}}


def judged(first: dict[str, Any], second: dict[str, Any], here: dict[str, Any], host: int = 1, **more: Any) -> dict[str, Any]:
    """m1 and m2 manage; `host` is the last number of this one's address."""
    managers = [{"name": "m1", "address": "10.0.0.1"}, {"name": "m2", "address": "10.0.0.2"}]
    asked = [{**standing, "item": item} for standing, item in zip((first, second), managers, strict=True)]
    names = {1: "m1", 2: "m2", 9: "a1"}
    wanted = {"managers": managers, "host": names[host], "address": f"10.0.0.{host}", "playing": list(names.values()), "network": "cluster",
              "subnet": "10.32.0.0/16", "mtu": 0, "encrypted": False, **more}
    return swarm(asked, here, wanted)


UNREACHABLE = {"unreachable": True}
STOPPED = {**ALONE, "state": "stopped", "error": "Cannot connect to the Docker daemon"}


def test_without_a_swarm_the_first_manager_founds_it() -> None:
    first, worker = judged(ALONE, ALONE, ALONE), judged(ALONE, ALONE, ALONE, 9)
    assert (first["founds"], first["exists"], first["manages"], first["network"], first["problems"]) == (True, False, True, False, [])
    assert (worker["founds"], worker["manages"], worker["door"]) == (False, False, {"name": "m1", "address": "10.0.0.1"})


def test_the_first_manager_in_service_lets_others_in() -> None:
    found = judged(UNREACHABLE, manager("N2"), ALONE, 9)
    assert (found["door"]["name"], found["exists"], found["founds"], found["network"], found["problems"]) == ("m2", True, False, True, [])
    assert found["former"] == ["OLD"], "as what the swarm knew this host before"
    assert judged(manager("N1"), manager("N2"), manager("N1"))["former"] == []


def test_whose_tickets_would_still_let_others_in() -> None:
    found = judged(manager("N1", joined=["N1", "GONE"]), manager("N2"), manager("N1"))
    assert found["ticketed"] == ["N2", "OLD"], "the manager that lets others in has noted N1 only"
    assert judged(manager("N1", joined=["N1", "N2", "OLD"]), manager("N2"), manager("N1"))["ticketed"] == []
    assert judged(ALONE, ALONE, ALONE)["ticketed"] == []


def test_who_is_drained_and_who_else_manages() -> None:
    first, second = judged(manager("N1"), manager("N2"), manager("N1")), judged(manager("N1"), manager("N2"), manager("N2"), 2)
    assert (first["drained"], second["drained"]) == (False, True)
    assert (first["other"], second["other"]) == ("m2", "m1")
    assert judged(manager("N1"), ALONE, manager("N1"))["other"] == "", "the last one takes the swarm with it"


def test_what_a_skipped_task_is_delegated_to_can_be_told_without_having_asked() -> None:
    skipped = {"skipped": True, "changed": False}
    assert judged(skipped, skipped, skipped)["door"] == {"name": "m1", "address": "10.0.0.1"}


@pytest.mark.parametrize(("first", "second", "here", "host", "more", "sentence"), [
    (manager("N1"), ALONE, {**ALONE, "state": "locked", "error": "Swarm is encrypted"}, 9, {}, r"\(locked\): Swarm is encrypted Unlock it"),
    (manager("N1"), ALONE, {**ALONE, "state": "pending", "error": "timeout"}, 9, {}, "reachable on port 2377"),
    (manager("N1"), ALONE, {**ALONE, "state": "error", "error": "bad"}, 9, {}, r"\(error\): bad Leave with"),
    (UNREACHABLE, ALONE, ALONE, 9, {}, "No manager of the swarm is in service, and m1 did not answer"),
    (STOPPED, UNREACHABLE, ALONE, 9, {}, "and m1, m2 did not answer"),
    (ALONE, ALONE, ALONE, 9, {"playing": ["a1"]}, "m1, which would found it, is not part of this run"),
    (manager("N1"), ALONE, member("OTHER"), 9, {}, "in another swarm than that of m1"),
    (manager("N1"), ALONE, ALONE, 9, {"subnet": "10.33.0.0/16"}, r"exists with other addresses \(10.32.0.0/16\)"),
    (manager("N1"), ALONE, ALONE, 9, {"mtu": 1400}, r"exists with another MTU \(Docker's\) than docker_overlay_mtu \(1400\)"),
    (manager("N1"), ALONE, ALONE, 9, {"encrypted": True}, r"exists without encryption, unlike docker_overlay_encrypted"),
    (member("N1", manager=True, nodes=NODES, networks=UNNUMBERED), ALONE, ALONE, 9, {}, r"exists with other addresses \(None\)"),
])
def test_what_cannot_work_is_said_once(first: Any, second: Any, here: Any, host: int, more: Any, sentence: str) -> None:
    (problem,) = judged(first, second, here, host, **more)["problems"]
    assert re.search(sentence, problem)
    assert judged(first, second, here, host, **more)["founds"] is False


def test_a_host_that_leaves_need_not_be_told_who_manages() -> None:
    wanted = {"managers": [], "host": "a1", "address": "10.0.0.9", "playing": ["a1"], "network": "cluster", "subnet": "10.32.0.0/16",
              "mtu": 0, "encrypted": False}
    assert swarm([], member("N9"), wanted)["other"] == ""
