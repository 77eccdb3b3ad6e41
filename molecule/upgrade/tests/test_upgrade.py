"""A living cluster gets new versions of five components under two clients that never stop.

What is asserted: the order, nothing acknowledged is lost, who leads changes once per component. How long each client waited
is printed as a table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cluster_under_test import ClusterUnderTest, eventually, provision
from tests.leaders import Leaders
from tests.next_versions import NEXT, make
from tests.two_clients import PATH, Client, report_gaps

Written = tuple[Client, list[str]]
Members = Callable[[str], dict[str, str]]
GAPS: list[tuple[str, float, float]] = []
CHANGES: dict[str, int] = {}


@pytest.fixture
def measured(request: pytest.FixtureRequest, written: Written, asked: Client, members: Members) -> Iterator[None]:
    """The longest gaps of both clients while the test runs go into the table, and how often each leader changed."""
    for client in (written[0], asked):
        client.reset()
    with Leaders(members) as leaders:
        yield
    GAPS.append((request.node.name.removeprefix("test_"), written[0].gap(), asked.gap()))
    for component, count in leaders.changes().items():
        CHANGES[component] = CHANGES.get(component, 0) + count


def versions(cluster: ClusterUnderTest, component: str) -> set[str]:
    return {row["version"].removeprefix("v").partition("-")[0].partition("+")[0] for row in cluster.rows(component)}


@pytest.fixture(scope="module")
def newer(cluster: ClusterUnderTest, inventory: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The mirror has the next versions. The lab goes afterwards: no other scenario is to meet them."""
    folder = make(cluster, inventory["all"]["vars"]["docker_registry"], tmp_path_factory.mktemp("next"))
    provision("lab", "up", "--name", cluster.lab, "--artifacts", str(folder))
    yield
    provision("lab", "down", "--name", cluster.lab)


def test_the_plan_has_the_order_of_an_upgrade(cluster: ClusterUnderTest, newer: None) -> None:
    steps = json.loads(cluster.run("plan", "--json").stdout)["steps"]
    names = list(dict.fromkeys(step["component"] for step in steps if "→" in step["why"]))
    assert names == ["mesos_master", "mesos_agent", "marathon", "chronos", "registrator", "logstash"]
    assert [s["hosts"] for s in steps if s["verb"] == "drain"] == [["a1"], ["a2"]]


def test_masters_first_then_a_pause(cluster: ClusterUnderTest, newer: None, measured: None) -> None:
    said = cluster.run("upgrade", "--yes", "--pause-after", "mesos_master").stderr
    assert "paused after mesos_master" in said
    assert "wrote" in said, "no backup was made"
    old, new = NEXT["mesos"]
    assert (versions(cluster, "mesos_master"), versions(cluster, "mesos_agent")) == ({new}, {old})
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))


def test_then_the_rest(cluster: ClusterUnderTest, newer: None, measured: None) -> None:
    cluster.run("upgrade", "--yes", "--no-backup")
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    for component in ("marathon", "chronos", "registrator"):
        assert versions(cluster, component) == {NEXT[component][1]}
    assert versions(cluster, "mesos_agent") == {NEXT["mesos"][1]}
    assert cluster.up()["changed"] == 0


def test_nothing_acknowledged_was_lost_and_leaders_changed_once(written: Written, asked: Client, zookeeper: Any) -> None:
    writer, acknowledged = written
    names = {path.rpartition("/")[2] for path in list(acknowledged)}
    client = zookeeper("m1")
    client.sync(PATH)
    assert names - set(client.get_children(PATH)) == set()
    report_gaps("gaps-upgrade", GAPS, len(names), writer.errors,
                "changes of leader: " + ", ".join(f"{name} {count}" for name, count in CHANGES.items()))
    assert CHANGES == {"mesos_master": 1, "marathon": 1, "chronos": 1}
