"""From answers of the probe to what an operator reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from provisioner.cluster.model import Host
from provisioner.cluster.names import FEW
from provisioner.components import COMPONENTS
from provisioner.console import status_rows
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import Completed
from provisioner.observe.observation import HostObservation, Observation, observe
from provisioner.observe.status import Row, Status, strangers, summarize
from provisioner_lab.testing import sent
from tests.unit.builders import AGENT, cluster

Answers = dict[str, dict[str, dict[str, Any]]]


def healthy() -> Answers:
    """What every host of a healthy cluster answers; m1 leads everything."""
    return {
        h.name: {c.name: {"state": "ok", "leader": h.name == "m1" and bool(c.rolling) and c.name != "docker", "version": "1",
                          "stand_in": False, "detail": "fine", "facts": {}}
                 for c in COMPONENTS if c.name in h.groups}
        for h in cluster().hosts
    }


def status(answers: Answers, **away: str) -> Status:
    hosts = {h.name: HostObservation(True, health=answers[h.name]) for h in cluster().hosts if h.name not in away}
    hosts.update({name: HostObservation(False, error) for name, error in away.items()})
    return summarize(cluster(), Observation(hosts))


def test_a_healthy_cluster_has_no_problems_and_promised_json() -> None:
    found = status(healthy())
    assert found.healthy and found.problems == ()
    data = json.loads(json.dumps(found.as_json()))
    assert set(data) == {"schema", "cluster", "healthy", "components", "problems"} and data["healthy"] is True and data["schema"] == 1
    there = [c.name for c in COMPONENTS if cluster().members(c.name)]
    assert data["components"][0] == {"component": there[0], "host": "m1", "state": "ok", "leader": False, "version": "1",
                                     "stand_in": False, "detail": "fine"}
    assert {r["component"] for r in data["components"]} == {*there}


def test_a_lost_member_degrades_the_component_and_not_its_living_rows() -> None:
    answers = healthy()
    answers["m3"]["zookeeper"].update(state="down", detail="the unit zookeeper is stopped (dead)")
    answers["m1"]["zookeeper"].update(state="degraded", detail="leader, 1 of 2 followers in sync", facts={"itself": "ok"})
    found = status(answers)
    rows = {r.host: r.state for r in found.rows if r.component == "zookeeper"}
    assert rows == {"m1": "ok", "m2": "ok", "m3": "down"} and not found.healthy
    assert found.problems == ("ZooKeeper is degraded: 2 of 3 members serve (m3 down)",
                              "ZooKeeper on m1: leader, 1 of 2 followers in sync")


def test_an_unreachable_host_downs_its_rows_and_is_named_once() -> None:
    found = status(healthy(), a2="connection refused")
    rows = [r for r in found.rows if r.host == "a2"]
    assert {r.component for r in rows} == AGENT - {"agents"}
    assert {(r.state, r.detail) for r in rows} == {("down", "unreachable: connection refused")}
    assert found.problems == ("a2 is unreachable: connection refused",) and not found.healthy


@pytest.mark.parametrize(("component", "down", "problem"), [
    ("zookeeper", ("m2", "m3"), "ZooKeeper has lost its quorum: 1 of 3 members serve (m2, m3 down)"),
    ("marathon", ("m2", "m3"), "Marathon is degraded: 1 of 3 members serve (m2, m3 down)"),
    ("marathon", ("m1", "m2", "m3"), "Marathon is down: 0 of 3 members serve (m1, m2, m3 down)"),
    ("mesos_master", ("m1",), "Mesos master on m1 fine"),
])
def test_quorum_and_leaders_are_counted(component: str, down: tuple[str, ...], problem: str) -> None:
    answers = healthy()
    for host in down:
        answers[host][component].update(state="down")
    assert problem in status(answers).problems


def test_a_leader_that_mesos_does_not_know_is_no_leader_and_says_why() -> None:
    answers = healthy()
    detail = "leads, but the leading Mesos master lists no framework of it"
    answers["m1"]["chronos"].update(state="down", detail=detail, facts={"framework": "missing"})
    found = status(answers)
    assert found.problems == ("Chronos is degraded: 2 of 3 members serve (m1 down)", f"Chronos on m1 {detail}") and not found.healthy
    answers["m1"]["chronos"].update(leader=False)
    assert "Chronos has no leader" in status(answers).problems


def test_a_removed_framework_is_a_problem_of_the_whole_component_with_its_cure() -> None:
    answers = healthy()
    answers["m2"]["marathon"].update(state="down", facts={"framework": "removed"})
    assert "Marathon: Mesos has removed its framework, which only 'provision repair marathon' cures" in status(answers).problems


def test_two_leaders_are_one_too_many() -> None:
    answers = healthy()
    answers["m2"]["mesos_master"]["leader"] = True
    assert status(answers).problems == ("Mesos master has 2 leaders: m1, m2",)


def test_different_versions_of_one_cluster_are_a_problem_but_not_of_different_systems() -> None:
    answers = healthy()
    answers["m2"]["zookeeper"]["version"] = "2"
    answers["m2"]["docker"]["version"] = answers["m2"]["kernel"]["version"] = "2"
    assert status(answers).problems == ("ZooKeeper runs in different versions: 1 on m1 m3, 2 on m2",)


def test_an_agent_that_left_the_inventory_is_not_forgotten() -> None:
    answers = healthy()
    answers["m1"]["mesos_master"]["facts"] = {"agents_listed": [{"hostname": n} for n in ("a1", "192.0.2.102", "a9")]}
    assert status(answers).problems == ("a9 is registered as a Mesos agent, but is not one in the inventory",)


def test_strangers_are_told_without_what_else_is_wrong() -> None:
    answers = healthy()
    answers["m1"]["consul"]["facts"] = {"raft_peers": ["m1", "m9"]}
    answers["m2"]["zookeeper"]["state"] = "down"
    seen = Observation({h.name: HostObservation(True, health=answers[h.name]) for h in cluster().hosts})
    assert strangers(cluster(), seen) == ["m9 votes in Consul, but is no consul_server in the inventory"]


def test_voters_that_left_the_inventory_are_not_forgotten() -> None:
    answers = healthy()
    answers["m2"]["zookeeper"]["facts"] = {"servers": [1, 2, 3, 4]}
    answers["m2"]["consul"]["facts"] = {"raft_peers": ["m1", "m2", "m3", "m9"]}
    assert status(answers).problems == ("m9 votes in Consul, but is no consul_server in the inventory",
                                        "ZooKeeper counts on 4 members, but the inventory has 3")


def test_swarm_managers_belong_to_one_swarm_with_a_leader() -> None:
    answers = healthy()
    for host in ("m1", "m2"):
        answers[host]["docker"]["facts"] = {"manager": True, "cluster_id": "c", "swarm_leader": False}
    assert status(answers).problems == ("the swarm of m1, m2 has no leader",)
    answers["m2"]["docker"]["facts"]["cluster_id"] = "other"
    assert status(answers).problems == ("m1, m2 are managers of 2 different swarms",)


def test_a_component_without_an_answer_is_down() -> None:
    answers = healthy()
    del answers["a1"]["registrator"]
    row = next(r for r in status(answers).rows if (r.component, r.host) == ("registrator", "a1"))
    assert (row.state, row.detail) == ("down", "the probe did not report it")


class FakeTransport:
    """Answers with these bytes; what is an exception is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, bytes] = {}

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Any = None) -> Completed:
        assert become
        self.asked[host.name] = stdin
        answer = self.answers.get(host.name, b"")
        if isinstance(answer, Exception):
            raise answer
        return Completed(0 if answer else 3, answer, b"sudo: no", 0.1)


RENDERED = {"all": {"vars": {"zookeeper_probe": {"unit": "zookeeper"}, "registrator_probe": {"unit": "registrator"}},
                    "hosts": {n: {} for n in ("m1", "m2", "m3", "a1", "a2")}}}


def test_hosts_are_asked_what_they_are_to_run_and_not_trusted() -> None:
    said = {"version": 1, "time": 1.0, "seconds": 0.1, "errors": {"facts": "OSError: x"},
            "health": {"zookeeper": {"state": "great", "version": 7, "facts": []}, "docker": {"state": "ok"}}}
    transport = FakeTransport(m1=json.dumps(said).encode(), m2=b"{}", m3=UnreachableError("no route"), a1=b"not json")
    seen = observe(cluster(), RENDERED, transport)
    request = sent(transport.asked["m1"])[1]
    assert request["health"] == {"zookeeper": {"unit": "zookeeper"}} and request["sections"] == ["facts", "health"]
    assert seen.hosts["m1"].error == "facts: OSError: x" and set(seen.hosts["m1"].health) == {"zookeeper"}
    assert seen.health("m1", "zookeeper") == {
        "state": "down", "leader": False, "version": "7", "stand_in": False, "detail": "", "facts": {}}
    assert "version 1" in seen.hosts["m2"].error and not seen.hosts["m2"].reachable, "nothing is done on a host that talks nonsense"
    assert seen.hosts["m3"] == HostObservation(False, "no route")
    assert "not JSON" in seen.hosts["a1"].error and seen.hosts["a2"].error == "the probe ended with 3: sudo: no"


def test_many_hosts_that_say_the_same_share_a_row() -> None:
    def row(host: str, detail: str = "runs", state: str = "ok", component: str = "dns") -> dict[str, object]:
        return Row(component, host, state, False, "2.90", False, detail).as_json()

    crowd = [row(f"a{n}") for n in range(1, 21) if n != 7]
    few = [row(f"m{n}", "follows m2") for n in range(1, FEW + 1)]
    assert status_rows([*crowd, row("a7", "does not answer", "down"), *few]) == [
        ["dns", "a[1:6], a[8:20]", "ok", "", "2.90", "runs"],
        ["dns", "a7", "down", "", "2.90", "does not answer"],
        *(["dns", f"m{n}", "ok", "", "2.90", "follows m2"] for n in range(1, FEW + 1)),
    ]
    mixed = status_rows([row("a1"), row("a2", "another"), row("a3")])
    assert [cells[1] for cells in mixed] == ["a1", "a2", "a3"], "few stay in their order"
    both = status_rows([*crowd, *(row(f"a{n}", component="docker") for n in range(1, 21))])
    assert [cells[:2] for cells in both] == [["dns", "a[1:6], a[8:20]"], ["docker", "a[1:20]"]]


def test_the_only_member_is_no_members() -> None:
    alone = cluster(Host("m1", "192.0.2.1", groups=frozenset({"zookeeper", "marathon"})))
    said = summarize(alone, Observation({"m1": HostObservation(False, "no route")})).problems
    assert {"ZooKeeper has lost its quorum: 0 of 1 member serves (m1 down)", "Marathon is down: 0 of 1 member serves (m1 down)"} <= {*said}
