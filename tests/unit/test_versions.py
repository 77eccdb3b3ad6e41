"""Which changes of version are refused, and which are not."""

from __future__ import annotations

import pytest

from provisioner.errors import StepFailed
from provisioner.observe.observation import Observation
from provisioner.plan.versions import Move, moves, numbers, refuse_bad_changes
from tests.unit.builders import agents, cluster, masters, observed

CLUSTER = cluster(*masters(1, ("zookeeper", "mesos_master", "marathon", "consul")), *agents(1, ("mesos_agent", "consul")))


def running(**versions: str) -> Observation:
    health = {name: {"state": "ok", "version": version} for name, version in versions.items()}
    return observed(CLUSTER, {h.name: {n: v for n, v in health.items() if n in h.groups} for h in CLUSTER.hosts})


@pytest.mark.parametrize(("text", "expected"), [
    ("1:9.5.6+standin", (9, 5, 6)), ("20.10.24+dfsg1", (20, 10, 24)), ("1.11.0-0.9.0", (1, 11, 0)), ("v29", (29,)),
    ("3.8.0-standin", (3, 8, 0)), ("distribution", ()), ("", ()),
])
def test_the_numbers_of_a_version(text: str, expected: tuple[int, ...]) -> None:
    assert numbers(text) == expected


@pytest.mark.parametrize(("now", "wanted"), [
    ({"zookeeper": "3.8.0"}, {"zookeeper": "3.9.6"}), ({"zookeeper": "3.9.6-1"}, {"zookeeper": "distribution"}),
    ({"mesos_master": "1.9.0"}, {"mesos": "1.11.0+standin"}), ({"marathon": "1.10.9"}, {"marathon": "1.11.24"}),
    ({"consul": "1.20.1"}, {"consul": "1.22.0"}), ({"consul": "1.21.7"}, {"consul": "2.0.4"}), ({}, {"zookeeper": "3.8.0"}),
    ({"consul": "1.22.3"}, {"consul": "2"}),
    ({"mesos_agent": "1.11.0"}, {"mesos": "1.11"}),
])
def test_what_may_be_done_in_one_go(now: dict[str, str], wanted: dict[str, str]) -> None:
    refuse_bad_changes(moves(CLUSTER, running(**now), wanted))


@pytest.mark.parametrize(("now", "wanted", "said"), [
    ({"zookeeper": "3.9.6"}, {"zookeeper": "3.8.0"}, "m1: ZooKeeper runs 3.9.6, 3.8.0 is asked for: an older version"),
    ({"mesos_agent": "1.11.0"}, {"mesos": "1.9.0"}, "a1: Mesos agent runs 1.11.0"),
    ({"marathon": "1.8.222"}, {"marathon": "1.11.24"}, "at most 1 minor release at a time: 1.9 is next"),
    ({"consul": "1.8.7"}, {"consul": "1.20.1"}, "at most 2 minor releases at a time: 1.10 is next"),
    ({"consul": "1.10.12"}, {"consul": "1.14.11"}, "at most 2 minor releases at a time: 1.12 is next"),
    ({"consul": "1.21.6"}, {"consul": "2.0.4"}, "2.x is reached from 1.21.7 or newer only"),
    ({"mesos_master": "1.11.0"}, {"mesos": "1.10.0"}, "m1: Mesos master runs 1.11.0, 1.10.0 is asked for: an older version"),
])
def test_what_may_not(now: dict[str, str], wanted: dict[str, str], said: str) -> None:
    with pytest.raises(StepFailed, match="nothing was changed") as error:
        refuse_bad_changes(moves(CLUSTER, running(**now), wanted))
    assert said in error.value.message
    assert "cluster_versions" in error.value.hint


@pytest.mark.parametrize(("now", "wanted", "expected"), [
    ({"zookeeper": "3.8.0"}, {"zookeeper": "3.9.6"}, {"zookeeper": {"m1": Move("3.8.0", "3.9.6")}}),
    ({"mesos_master": "1.11.0-standin", "mesos_agent": "1.11.0-standin"}, {"mesos": "1.11.0+standin"}, {}),
    ({"consul": "1.8.7"}, {"consul": "1.9.0"}, {"consul": {"m1": Move("1.8.7", "1.9.0"), "a1": Move("1.8.7", "1.9.0")}}),
    ({}, {"zookeeper": "3.9.6"}, {}),
])
def test_where_a_version_moves(now: dict[str, str], wanted: dict[str, str], expected: dict[str, dict[str, Move]]) -> None:
    assert moves(CLUSTER, running(**now), wanted) == expected
