"""A cluster of one machine: what a plan says of it, and what it can't do."""

from __future__ import annotations

from typing import Any

from provisioner.components import COMPONENTS
from provisioner.plan.make import make_plan
from provisioner.plan.quorum import interruptions
from provisioner.plan.versions import Move
from tests.unit.builders import AGENT, MASTER, as_voter, cluster, hosts, masters, observed, rendered

ONE = cluster(*hosts("m1", groups=MASTER | AGENT))
SERVES: dict[str, Any] = {"m1": {c.name: {"state": "ok", "leader": c.election is not None} for c in COMPONENTS}}
ELECTED = ["Consul", "ZooKeeper", "Mesos master", "Marathon", "Chronos"]


def test_a_plan_that_changes_the_only_member_stops_the_cluster() -> None:
    seen = observed(ONE, SERVES)
    plan = make_plan(ONE, rendered(ONE, as_voter), seen, full=True)
    assert interruptions(plan, ONE, seen) == ELECTED
    assert interruptions(make_plan(ONE, rendered(ONE, as_voter), seen, full=True, only=("docker", "zookeeper")), ONE, seen) == ["ZooKeeper"]


def test_nothing_stops_where_nothing_serves_yet_or_others_take_over() -> None:
    fresh = observed(ONE, {})
    assert interruptions(make_plan(ONE, rendered(ONE, as_voter), fresh), ONE, fresh) == []
    three = cluster(*masters(3))
    seen = observed(three, {h.name: SERVES["m1"] for h in three.hosts})
    assert interruptions(make_plan(three, rendered(three, as_voter), seen, full=True), three, seen) == []


def test_the_only_agent_is_drained_to_nowhere() -> None:
    moving = {"docker": {"m1": Move("20.10.24", "26.1.5")}}
    steps = make_plan(ONE, rendered(ONE, as_voter), observed(ONE, SERVES), full=True, moving=moving).steps
    assert [step.describe() for step in steps if step.verb == "drain"] == [
        "drain Mesos agent on m1: its tasks end, as there is no other agent, and start anew on it"]
