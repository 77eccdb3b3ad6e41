"""Passwords for a living cluster: the one order in which nobody is shut out, and what is refused before the first change."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from provisioner.errors import ProvisionError, StepFailed, UsageError
from provisioner.hosts.zookeeper import Node
from provisioner.observe.observation import Observation
from provisioner.plan.authentication import closing
from provisioner.plan.make import make_plan
from provisioner.plan.steps import Step
from provisioner.plan.versions import Move
from provisioner.run.znode_acls import READ, Rules, give_owners
from tests.unit.builders import cluster
from tests.unit.test_plan import RENDERED, seen
from tests.unit.test_upgrade_steps import living

OPEN = ((31, "world", "anyone"),)


def observed(knowing: tuple[str, ...] = (), demanding: tuple[str, ...] = (), away: tuple[str, ...] = (),
             no_marathon: tuple[str, ...] = ()) -> Observation:
    """Everything serves, Marathon not on all hosts; what the masters say of themselves."""
    health = living()
    for host in no_marathon:
        health[host]["marathon"] = {"state": "down"}
    for host in ("m1", "m2", "m3"):
        health[host]["mesos_master"]["facts"] = {"quorum": 2, "ensemble_size": 3, "knows_credentials": host in knowing,
                                                 "authenticates": host in demanding}
    return seen(health, away)


def steps(found: Observation, setting: bool = True, **options: Any) -> list[Step]:
    asked = dataclasses.replace(cluster(), variables={"cluster_authentication": setting})
    return list(make_plan(asked, RENDERED, found, **options).steps)


def named(plan: list[Step]) -> list[tuple[str, str]]:
    return [(s.verb, s.component.name) for s in plan if s.component.role in ("mesos", "marathon", "chronos", "zookeeper")]


def test_masters_know_before_agents_bring_and_demand_when_everybody_brings() -> None:
    plan = steps(observed())
    assert named(plan) == [("up", "zookeeper"), ("up", "mesos_master"), ("up", "mesos_agent"), ("stop", "marathon"), ("up", "marathon"),
                           ("up", "marathon"), ("up", "marathon"), ("up", "chronos"), ("protect", "zookeeper"), ("up", "mesos_master")]
    first, last = (s for s in plan if s.component.name == "mesos_master")
    assert (first.variables, last.variables) == ({"mesos_authentication": "known"}, {})
    assert (first.batch, last.batch, first.hosts, last.hosts) == (1, 1, ("m2", "m3", "m1"), ("m2", "m3", "m1"))


def marathons(plan: list[Step]) -> list[tuple[str, tuple[str, ...]]]:
    return [(s.verb, s.hosts) for s in plan if s.component.name == "marathon"]


def test_no_marathon_with_a_password_serves_beside_one_without_but_the_leader() -> None:
    plan = steps(observed())
    assert marathons(plan) == [("stop", ("m2", "m3")), ("up", ("m2",)), ("up", ("m1",)), ("up", ("m3",))]
    stop = next(s for s in plan if s.verb == "stop")
    assert stop.describe() == "stop Marathon on m2, m3 (all at once): members with and without a ZooKeeper password can't form one group"
    assert [s.hosts for s in plan if s.component.name == "chronos"] == [("m2", "m3", "m1")], "Chronos changes one after the other"


def test_a_switch_that_was_cut_off_at_marathon_is_completed() -> None:
    """First: the others are stopped, only the leader runs. Then: one has its password and leads; another is stopped, one has none."""
    stopped = steps(observed(no_marathon=("m2", "m3")))
    assert marathons(stopped) == [("up", ("m2", "m3")), ("up", ("m1",))]
    found = observed(no_marathon=("m3",))
    changed = dataclasses.replace(found.hosts["m2"], unsettled={"marathon": ""})
    assert marathons(steps(dataclasses.replace(found, hosts={**found.hosts, "m2": changed}))) == [("up", ("m3",)), ("up", ("m1",))]


def test_a_switch_that_was_cut_off_goes_on_and_takes_nothing_back() -> None:
    plan = [s for s in steps(observed(knowing=("m1", "m2", "m3"), demanding=("m2",))) if s.component.name == "mesos_master"]
    assert [s.variables for s in plan] == [{}]
    plan = [s for s in steps(observed(knowing=("m2",))) if s.component.name == "mesos_master"]
    assert [s.hosts for s in plan] == [("m3", "m1"), ("m2", "m3", "m1")]


def test_nothing_is_special_where_masters_demand_already_or_nobody_is_to_bring_anything() -> None:
    everybody = ("m1", "m2", "m3")
    for plan in (steps(observed(everybody, everybody)), steps(observed(), setting=False)):
        assert all(s.verb == "up" and not s.variables for s in plan)


@pytest.mark.parametrize(("found", "setting", "options", "text"), [
    (observed(demanding=("m1",)), False, {}, "can't be switched off"), (observed(), True, {"only": ("mesos_agent",)}, "leave out"),
    (observed(), True, {"limit": ("m1",)}, "leave out"), (observed(away=("a2",)), True, {}, "a2 does not answer, so the passwords"),
    (observed(), True, {"moving": {"mesos_master": {"m1": Move("1", "2")}}}, "in a run of its own"),
])
def test_what_would_shut_somebody_out_is_refused(found: Observation, setting: bool, options: dict[str, Any], text: str) -> None:
    with pytest.raises((StepFailed, UsageError)) as refused:
        steps(found, setting, **options)
    error = refused.value
    assert isinstance(error, ProvisionError)
    assert text in f"{error.message} {error.hint}"


def test_masters_without_credentials_get_them_before_the_cluster_is_closed() -> None:
    closed = {**RENDERED, "all": {**RENDERED["all"], "vars": {**RENDERED["all"]["vars"], "mesos_closed": True}}}
    with pytest.raises(StepFailed, match="gets them before it is closed"):
        make_plan(dataclasses.replace(cluster(), variables={"cluster_authentication": True}), closed, observed())


def test_other_components_can_be_brought_up_alone_before_the_switch() -> None:
    assert {s.component.name for s in steps(observed(), only=("logstash",))} == {"logstash"}


class Kept:
    """A tree in memory."""

    def __init__(self, nodes: dict[str, Rules]) -> None:
        self.nodes = nodes

    def walk(self, *, top: str) -> Iterable[Node]:
        return [Node(path, b"", acl) for path, acl in self.nodes.items() if path == top or path.startswith(f"{top}/")]

    def own(self, path: str, acl: Rules) -> None:
        self.nodes[path] = acl


def test_every_node_gets_its_owner_and_what_has_one_is_left_alone() -> None:
    mine = (31, "digest", "marathon:x=")
    kept = Kept({"/mesos": OPEN, "/mesos/log_replicas": OPEN, "/marathon": OPEN, "/marathon/leader-curator": OPEN,
                 "/marathon/state": (mine,), "/somebody": OPEN})
    assert give_owners(kept, {"/mesos": "mesos:y=", "/marathon": "marathon:x="}) == 4
    assert kept.nodes["/mesos/log_replicas"] == ((READ, "world", "anyone"), (31, "digest", "mesos:y="))
    assert kept.nodes["/marathon"] == (mine,)
    assert kept.nodes["/marathon/leader-curator"] == ((READ, "world", "anyone"), mine)
    assert kept.nodes["/somebody"] == OPEN
    assert give_owners(kept, {"/mesos": "mesos:y=", "/marathon": "marathon:x="}) == 0


def test_who_may_do_what_counts_from_the_step_that_closes_a_master_that_serves() -> None:
    rights = {"marathon": {"roles": [], "users": ["nobody"]}}
    told = {"mesos_closed": True, "mesos_rights": rights}
    wanted = {"all": {"vars": told, "hosts": {h.name: {} for h in cluster().hosts}}}
    masters = ("m1", "m2", "m3")
    steps_of = steps(observed(masters, masters))

    def seen_as(closed: bool | None) -> Observation:
        found = observed(masters, masters)
        for name in masters:
            found.hosts[name].health["mesos_master"]["facts"].update({} if closed is None else {"closed": closed})
        return found

    assert closing(steps_of, wanted, seen_as(closed=False)) == rights
    assert closing(steps_of, wanted, seen_as(closed=True)) == {}
    assert closing(steps_of, {**wanted, "all": {**wanted["all"], "vars": {}}}, seen_as(closed=False)) == {}
    assert closing([s for s in steps_of if s.component.name != "mesos_master"], wanted, seen_as(closed=False)) == {}
