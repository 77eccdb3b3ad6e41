"""What goes side by side, and what never does."""

from __future__ import annotations

import pytest

from provisioner.components import COMPONENTS, ORDER, component, stands_on
from provisioner.plan.alongside import side_by_side
from provisioner.plan.make import make_plan
from provisioner.plan.steps import Plan, Step
from tests.unit.builders import Health, as_voter, cluster, observed, rendered


def stages(health: Health | None = None) -> list[list[str]]:
    """The plan's components, those together that go side by side."""
    plan = make_plan(cluster(), rendered(cluster(), as_voter), observed(cluster(), health))
    return [[step.component.name for step in stage.values()] for stage in plan.stages()]


def test_each_component_comes_after_what_it_stands_on() -> None:
    for place, name in enumerate(ORDER):
        assert stands_on(name) <= {*ORDER[:place]}, name
    assert all(each.after for each in COMPONENTS[1:]), "what stands on nothing would begin with the package sources"


def test_of_a_fresh_cluster_what_stands_on_the_same_goes_side_by_side() -> None:
    """Names are resolved otherwise from `dns` on: nobody fetches anything meanwhile."""
    assert stages() == [["repos"], ["common"], ["kernel"], ["docker", "consul", "zookeeper"], ["dns"], ["mesos_master"],
                        ["mesos_agent", "marathon", "chronos", "registrator", "logstash"]]


@pytest.mark.parametrize("state", ["ok", "degraded"])
def test_what_serves_is_changed_alone(state: str) -> None:
    found = stages({"m1": {"consul": {"state": state}, "marathon": {"state": state}}})
    assert found == [["repos"], ["common"], ["kernel"], ["docker"], ["consul"], ["consul", "zookeeper"], ["dns"], ["mesos_master"],
                     ["mesos_agent", "marathon"], ["marathon"], ["chronos", "registrator", "logstash"]], "first those that serve nobody yet"


def test_what_is_left_of_a_stage_does_not_join_the_one_before() -> None:
    steps = (Step(component("mesos_master"), ("m1",)), Step(component("mesos_agent"), ("a1",)),
             Step(component("marathon"), ("m1",), alongside=True), Step(component("logstash"), ("m1", "a1"), alongside=True))
    left = Plan("c", steps).without({"a1"})
    assert [[step.component.name for step in stage.values()] for stage in left.stages()] == [["mesos_master"], ["marathon", "logstash"]]


@pytest.mark.parametrize("second", [
    Step(component("zookeeper"), ("m1",), verb="restart"), Step(component("zookeeper"), ("m1", "m2"), batch=1),
    Step(component("zookeeper"), ("m1",), if_needed="reboot"), Step(component("zookeeper"), ("m1",), variables={"zookeeper_ticks": 1}),
    Step(component("zookeeper"), ("m1",), expect={"members": 1}),
    Step(component("kernel"), ("m1",)), Step(component("registrator"), ("m1",)), Step(component("docker"), ("m2",))])
def test_nothing_goes_beside_what_it_stands_on_and_no_step_of_another_kind(second: Step) -> None:
    steps = [Step(component("docker"), ("m1",)), second, Step(component("logstash"), ("m1",))]
    assert side_by_side(steps, observed(cluster()))[1].alongside is False
