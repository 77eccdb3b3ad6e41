"""Settings that members of a component reach in phases: everybody brings what nobody asks for yet, then it is asked for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.components import component
from provisioner.components.model import Component
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.make import make_plan
from provisioner.plan.phases import Members, Phase
from provisioner.plan.steps import Step
from provisioner.plan.versions import Move
from tests.unit.builders import cluster
from tests.unit.test_plan import RENDERED, seen
from tests.unit.test_upgrade_steps import living

CONSUL = component("consul")


def phases(members: Members) -> list[Phase]:
    """A component whose members must all bring a token before anybody asks for one."""
    without = tuple(sorted(name for name, facts in members.serving.items() if not facts.get("token")))
    return [Phase(without, {"consul_acl": "allow"}, "bring a token that nobody asks for yet")] if without else []


def arrived(members: Members) -> bool:
    """All ask for it."""
    return all(facts.get("asks") for facts in members.serving.values())


@pytest.fixture(autouse=True)
def part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consul has such a part."""
    before = Component.part
    own = SimpleNamespace(phases=phases, arrived=arrived)
    monkeypatch.setattr(Component, "part", lambda self, name: own if (self.name, name) == ("consul", "phases") else before(self, name))


def observed(bringing: tuple[str, ...] = (), asking: tuple[str, ...] = ()) -> Observation:
    health = living()
    for name, answers in health.items():
        answers["consul"]["facts"] = {**answers["consul"].get("facts", {}), "token": name in bringing, "asks": name in asking}
    return seen(health)


def of_consul(found: Observation, **options: Any) -> list[Step]:
    return [step for step in make_plan(cluster(), RENDERED, found, **options).steps if step.component == CONSUL]


def test_every_member_passes_through_the_phase_before_one_reaches_the_end() -> None:
    plan = of_consul(observed())
    first, last = [s for s in plan if s.variables], [s for s in plan if not s.variables]
    assert plan == [*first, *last]
    assert [(s.hosts, s.batch) for s in first] == [(s.hosts, s.batch) for s in last], "both in the order that keeps a quorum"
    assert {host for s in first for host in s.hosts} == {"m1", "m2", "m3", "a1", "a2"}
    assert {s.why for s in first} == {"bring a token that nobody asks for yet"}
    assert {tuple(s.variables.items()) for s in first} == {(("consul_acl", "allow"),)}


def test_others_come_before_the_end_as_they_too_have_to_bring_what_is_asked_for_then() -> None:
    plan = make_plan(cluster(), RENDERED, observed()).steps
    phase, end = (place for place, step in enumerate(plan) if step.component == CONSUL and step.hosts[0] in ("m2", "m3"))
    assert [step.component.name for step in plan[phase:end]].count("registrator") == 1
    assert {step.component.name for step in plan[end:]} == {"consul"}


def test_a_run_that_was_cut_off_goes_on_with_those_that_are_left() -> None:
    plan = of_consul(observed(bringing=("m1", "m2", "a1")))
    assert {host for s in plan if s.variables for host in s.hosts} == {"m3", "a2"}
    assert not [s for s in of_consul(observed(bringing=("m1", "m2", "m3", "a1", "a2"))) if s.variables]


def test_new_members_of_a_quorum_come_in_a_run_of_their_own() -> None:
    health = living()
    del health["m3"]
    for name, answers in health.items():
        answers["consul"]["facts"] = {"server": name in ("m1", "m2"), "raft_peers": ["m1", "m2"]}
    with pytest.raises(StepFailed, match="Consul: bring a token that nobody asks for yet, and gets new members in a run of its own"):
        of_consul(seen(health))


def test_what_is_asked_for_still_comes_last_in_a_run_that_goes_on() -> None:
    """All bring it, and only one member asks for it: the others have to bring it first, also those that are of another component."""
    everybody = ("m1", "m2", "m3", "a1", "a2")
    for asking, last in ((("m2",), "consul"), (everybody, "logstash")):
        plan = make_plan(cluster(), RENDERED, observed(bringing=everybody, asking=asking)).steps
        assert plan[-1].component.name == last and not any(step.variables for step in plan)


def test_a_cluster_that_does_not_serve_yet_goes_there_at_once() -> None:
    assert [s.variables for s in of_consul(seen({}))] == [{}]


def test_a_phase_concerns_all_members() -> None:
    for options in ({"limit": ["m1"]}, {"only": ["consul"]}):
        with pytest.raises(UsageError, match="Consul: bring a token that nobody asks for yet, which concerns all of its members"):
            of_consul(observed(), **options)


def test_nothing_else_is_changed_in_the_same_run() -> None:
    with pytest.raises(StepFailed, match="in a run of its own"):
        of_consul(observed(), moving={"docker": {"a1": Move("1", "2")}})
    away = {name: host for name, host in observed().hosts.items() if name != "a2"} | {"a2": HostObservation(False)}
    with pytest.raises(StepFailed, match="all of its members, and a2 does not answer"):
        of_consul(Observation(away))


def opening(*, locked: bool, closed: bool = False, new: str = "") -> list[Step]:
    """The plan of a cluster whose hosts are `locked` and are to be `closed` or open; `new` is one with nothing."""
    health = {name: {**answers, "common": {**answers["common"], "facts": {"authority": locked}}} for name, answers in living().items()}
    everybody = tuple(health)
    consul = observed(bringing=everybody, asking=everybody)
    for name, answers in health.items():
        answers["consul"] = dict(consul.hosts[name].health["consul"])
    health.update({new: {}} if new else {})
    variables = {**RENDERED["all"]["vars"], "common_authority": {"key": "K"} if closed else {}}
    return list(make_plan(cluster(), {**RENDERED, "all": {**RENDERED["all"], "vars": variables}}, seen(health)).steps)


def test_a_cluster_that_is_opened_keeps_what_members_know_each_other_by_until_nobody_asks_for_it() -> None:
    names = [step.component.name for step in opening(locked=True)]
    assert (names[-1], names.count("common")) == ("common", 1)
    for plan in (opening(locked=False), opening(locked=True, closed=True)):
        assert plan[0].component.name in ("common", "repos") and plan[-1].component.name == "logstash"
    with_new = opening(locked=True, new="a2")
    assert [step.hosts for step in with_new if step.component.name == "common"] == [("a2",), ("m1", "m2", "m3", "a1", "a2")]
    assert with_new[-1].component.name == "common"
