"""Changes of version: in which order, who is drained, and that old and new Marathons are never both electable."""

from __future__ import annotations

from typing import Any

from provisioner.components import COMPONENTS, UPGRADE_ORDER, component
from provisioner.plan.make import make_plan
from provisioner.plan.steps import REBOOT, Plan, Step
from provisioner.plan.versions import Move, Moves
from provisioner.verbs.upgrade.work import up_to
from tests.unit.builders import cluster
from tests.unit.test_plan import RENDERED, seen

SERVING: dict[str, Any] = {"state": "ok", "leader": False}


def living(leader: str = "m1", away: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Every component serves on every host of its group; one host leads all; `away` are components that are down on m2."""
    return {h.name: {c.name: {"state": "down"} if h.name == "m2" and c.name in away else {**SERVING, "leader": h.name == leader}
                     for c in COMPONENTS if c.name in h.groups} for h in cluster().hosts}


def moving(*components: str) -> Moves:
    return {name: {h.name: Move("1", "2") for h in cluster().members(name)} for name in components}


def plan(moves: Moves, **health: Any) -> list[Step]:
    return list(make_plan(cluster(), RENDERED, seen(living(**health)), moving=moves, batch="50%").steps)


def test_every_component_has_its_place() -> None:
    assert set(UPGRADE_ORDER) == set(COMPONENTS)


def test_the_order_is_that_of_an_upgrade_only_when_a_version_moves() -> None:
    names = list(dict.fromkeys(s.component.name for s in plan(moving("zookeeper"))))
    assert names.index("zookeeper") < names.index("consul") < names.index("mesos_master") < names.index("docker")
    assert names.index("docker") < names.index("mesos_agent") < names.index("marathon")
    names = list(dict.fromkeys(s.component.name for s in plan({})))
    assert names.index("docker") < names.index("zookeeper")


def test_agents_are_drained_batch_after_batch_when_docker_moves() -> None:
    for moves in (moving("docker"), moving("docker", "mesos_agent")):
        steps = [(s.verb, s.component.name, s.hosts) for s in plan(moves) if {"a1", "a2"} & set(s.hosts)
                 and s.component.name in ("docker", "mesos_agent")]
        assert steps == [(verb, name, (host,)) for host in ("a1", "a2")
                         for verb, name in (("drain", "mesos_agent"), ("up", "docker"), ("up", "mesos_agent"))]


def test_agents_that_only_get_another_mesos_keep_their_tasks_and_change_batch_after_batch() -> None:
    steps = plan(moving("mesos_master", "mesos_agent"))
    assert all(s.verb == "up" for s in steps)
    assert [(s.hosts, s.batch) for s in steps if s.component.name == "mesos_agent"] == [(("a1", "a2"), 1)]


def test_only_the_agents_whose_docker_moves_are_drained() -> None:
    steps = plan({"mesos_agent": moving("mesos_agent")["mesos_agent"], "docker": {"a2": Move("1", "2")}})
    assert [(s.verb, s.hosts) for s in steps if s.component.name == "mesos_agent"] == [("up", ("a1",)), ("drain", ("a2",)), ("up", ("a2",))]


def test_agents_are_not_drained_for_other_versions() -> None:
    assert all(s.verb == "up" for s in plan(moving("zookeeper", "consul")))


def test_an_agent_that_is_down_has_nothing_to_drain() -> None:
    health = living()
    health["a1"]["mesos_agent"] = {"state": "down"}
    steps = make_plan(cluster(), RENDERED, seen(health), moving=moving("docker", "mesos_agent")).steps
    assert [s.hosts for s in steps if s.verb == "drain"] == [("a2",)]
    assert ("a1",) in [s.hosts for s in steps if s.component.name == "mesos_agent" and s.verb == "up"]


def test_no_marathon_of_the_old_version_is_electable_once_one_of_the_new_runs_beside_the_old_leader() -> None:
    steps = [(s.verb, s.hosts) for s in plan(moving("marathon")) if s.component.name == "marathon"]
    assert steps == [("stop", ("m2", "m3")), ("up", ("m2",)), ("up", ("m1",)), ("up", ("m3",))]


def test_an_upgrade_of_marathon_that_was_cut_off_goes_on() -> None:
    """m2 was stopped; m3 too, or is new already: the leader, the last old one, still comes last."""
    steps = [(s.verb, s.hosts) for s in plan(moving("marathon"), away=("marathon",)) if s.component.name == "marathon"]
    assert steps == [("stop", ("m3",)), ("up", ("m2",)), ("up", ("m1",)), ("up", ("m3",))]


def test_the_plan_says_from_which_version_to_which() -> None:
    step = next(s for s in plan(moving("zookeeper")) if s.component.name == "zookeeper")
    assert step.why == "1 → 2"


def test_a_pause_comes_after_the_component_also_when_nothing_is_left_to_do_about_it() -> None:
    steps = tuple(plan(moving("zookeeper", "marathon", "mesos_agent")))
    names = [s.component.name for s in up_to(Plan("c", steps), "mesos_master", UPGRADE_ORDER).steps]
    assert names[-1] == "mesos_master"
    without = tuple(s for s in steps if s.component.name not in ("repos", "common", "kernel", "zookeeper"))
    assert up_to(Plan("c", without), "zookeeper", UPGRADE_ORDER).steps == ()
    assert up_to(Plan("c", steps), None, UPGRADE_ORDER).steps == steps


def test_a_pause_after_docker_comes_before_the_agents_are_drained() -> None:
    steps = tuple(plan(moving("docker")))
    assert all(s.verb != "drain" for s in up_to(Plan("c", steps), "docker", UPGRADE_ORDER).steps)
    assert any(s.verb == "drain" for s in up_to(Plan("c", steps), "mesos_agent", UPGRADE_ORDER).steps)


def test_docker_alone_still_drains_its_agents() -> None:
    steps = make_plan(cluster(), RENDERED, seen(living()), moving=moving("docker"), only=("docker",), batch="1").steps
    assert [(s.verb, s.component.name, s.hosts) for s in steps if set(s.hosts) & {"a1", "a2"}] == [
        (verb, name, (host,)) for host in ("a1", "a2")
        for verb, name in (("drain", "mesos_agent"), ("up", "docker"), ("up", "mesos_agent"))]


def test_an_agent_that_goes_away_does_not_end_an_upgrade_of_the_others() -> None:
    """It is left out and listed; a failure of its role still ends the run. Voters end it either way, by the plan's list of them."""
    assert not any(s.all_or_none for s in plan(moving("docker", "mesos_agent")) if set(s.hosts) <= {"a1", "a2"})


def test_a_pause_does_not_come_between_a_reboot_and_what_belongs_to_it() -> None:
    kernel, agent = (component(name) for name in ("kernel", "mesos_agent"))
    own = (Step(kernel, ("a1",)), Step(agent, ("a1",), verb="drain", if_needed=REBOOT),
           Step(kernel, ("a1",), verb="reboot", if_needed=REBOOT))
    assert up_to(Plan("c", (*own, Step(agent, ("a1",)))), "kernel", UPGRADE_ORDER).steps == own
