"""The plan is a pure function of cluster and observation."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import main
from provisioner.components import COMPONENTS, component, component_names
from provisioner.errors import UsageError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.paths import project_dir
from provisioner.plan.make import make_plan
from provisioner.plan.rolling import rolled
from provisioner.plan.scope import share
from provisioner.plan.steps import Step
from tests.unit.builders import Health, agents, as_voter, cluster, observed, rendered

#: What a plan reads of the rendered inventory.
RENDERED = rendered(cluster(), as_voter)


def seen(health: Health | None = None, away: tuple[str, ...] = ()) -> Observation:
    return observed(cluster(), health, away)


def test_a_fresh_cluster_is_built_in_order_on_all_hosts_at_once() -> None:
    plan = make_plan(cluster(), RENDERED, seen())
    assert [s.component.name for s in plan.steps] == [c.name for c in COMPONENTS if cluster().members(c.name)]
    assert all(s.batch == 0 for s in plan.steps)
    assert {s.component.name: s.hosts for s in plan.steps}["zookeeper"] == ("m1", "m2", "m3")


def test_a_living_quorum_is_changed_one_at_a_time_and_its_leader_last() -> None:
    health = {"m1": {"zookeeper": {"state": "ok", "leader": True}}, "m2": {"zookeeper": {"state": "ok", "leader": False}},
              "m3": {"zookeeper": {"state": "ok", "leader": False}}}
    step = next(s for s in make_plan(cluster(), RENDERED, seen(health)).steps if s.component.name == "zookeeper")
    assert (step.hosts, step.batch, step.all_or_none) == (("m2", "m3", "m1"), 1, True)


@pytest.mark.parametrize(("leaders", "order"), [({"marathon": "m1", "chronos": "m2"}, ("m3", "m1", "m2")),
                                                ({"marathon": "m1", "chronos": "m1"}, ("m2", "m3", "m1"))])
def test_of_the_hosts_of_an_engine_those_whose_containers_lead_come_last(leaders: dict[str, str], order: tuple[str, ...]) -> None:
    health: dict[str, dict[str, dict[str, object]]] = {
        host: {"docker": {"state": "ok"}, **{c: {"state": "ok", "leader": leads == host} for c, leads in leaders.items()}}
        for host in ("m1", "m2", "m3")}
    step = next(s for s in make_plan(cluster(), RENDERED, seen(health)).steps if s.component.name == "docker")
    assert (step.hosts, step.batch) == (order, 1)


def test_clients_of_a_living_quorum_follow_together_after_its_servers() -> None:
    health = {"m1": {"consul": {"state": "ok", "leader": True}}}
    steps = [s for s in make_plan(cluster(), RENDERED, seen(health)).steps if s.component.name == "consul"]
    assert [(s.hosts, s.batch) for s in steps] == [(("m2", "m3", "m1"), 1), (("a1", "a2"), 0)]


@pytest.mark.parametrize(("name", "expected"), [
    ("marathon", [(("m2", "m3"), 0), (("m1",), 1)]), ("docker", [(("m2", "m3"), 0), (("m1",), 1), (("a1", "a2"), 0)]),
    ("mesos_master", [(("m2", "m3", "m1"), 1)]),
])
def test_fresh_members_come_together_before_those_that_serve_unless_they_vote(
        name: str, expected: list[tuple[tuple[str, ...], int]]) -> None:
    members = [h.name for h in cluster().members(name)]
    steps = rolled(component(name), members, cluster(), seen({"m1": {name: {"state": "ok", "leader": True}}}))
    assert [(s.hosts, s.batch) for s in steps] == expected


def test_what_is_as_applied_and_works_is_left_alone() -> None:
    health: dict[str, dict[str, object]] = {c: {"state": "ok", "leader": False} for c in component_names()}
    fine = {h.name: HostObservation(True, health={n: health[n] for n in health if n in h.groups}, unsettled=dict.fromkeys(h.groups, ""))
            for h in cluster().hosts}
    assert make_plan(cluster(), RENDERED, Observation(fine)).steps == ()
    assert len(make_plan(cluster(), RENDERED, Observation(fine), full=True).steps) >= len(COMPONENTS)

    drifted = {**fine, "m2": HostObservation(True, health=health, unsettled={**fine["m2"].unsettled, "zookeeper": "zoo.cfg was edited"})}
    (step,) = make_plan(cluster(), RENDERED, Observation(drifted)).steps
    assert (step.component.name, step.hosts, step.why) == ("zookeeper", ("m2",), "zoo.cfg was edited")

    worse = {**fine, "m2": HostObservation(True, health=health, unsettled={**fine["m2"].unsettled, "zookeeper": "a is new; b is new"})}
    (step,) = make_plan(cluster(), RENDERED, Observation(worse)).steps
    assert (step.why, step.reasons) == ("a is new and 1 more", {"m2": "a is new; b is new"})

    sick = {**fine, "a1": HostObservation(True, health={**health, "docker": {"state": "down"}}, unsettled=fine["a1"].unsettled)}
    (step,) = make_plan(cluster(), RENDERED, Observation(sick)).steps
    assert (step.component.name, step.hosts) == ("docker", ("a1",))

    silent = {**fine, "a1": HostObservation(True, health=health)}
    assert {s.hosts for s in make_plan(cluster(), RENDERED, Observation(silent)).steps} == {("a1",)}, "no answer is no reason to skip"


def kernels(*upgraded: str, waits: tuple[str, ...] = (), fails: tuple[str, ...] = (), agents: str = "ok", **options: Any) -> list[Step]:
    """The first steps of a plan: those of a kernel that was edited everywhere."""
    hosts = {name: {**own, "kernel_upgrade": name in upgraded} for name, own in RENDERED["all"]["hosts"].items()}
    states = {h.name: {"state": "down" if h.name in fails else "ok", "facts": {"reboot": "pending"} if h.name in waits else {}}
              for h in cluster().hosts}
    agent = {name: {"mesos_agent": {"state": agents}} for name in ("a1", "a2")}
    health: Any = {name: {"kernel": own, **agent.get(name, {})} for name, own in states.items()}
    return list(make_plan(cluster(), {"all": {"vars": {}, "hosts": hosts}}, seen(health), only=("kernel",), **options).steps)


@pytest.mark.parametrize(("upgraded", "waits", "fails", "reboots"), [
    ((), (), (), []), (("m1", "a1"), (), (), []), ((), (), ("m1", "a1"), []), (("m1", "a1"), (), ("a1", "a2"), ["a1"]),
    ((), ("m2",), (), ["m2"]),
])
def test_a_reboot_stands_in_the_plan_where_a_newer_kernel_may_come_or_one_waits(
        upgraded: tuple[str, ...], waits: tuple[str, ...], fails: tuple[str, ...], reboots: list[str]) -> None:
    plan = kernels(*upgraded, waits=waits, fails=fails)
    assert [host for step in plan if step.verb == "reboot" for host in step.hosts] == reboots
    assert all(step.if_needed for step in plan[1:])


def test_an_agent_that_serves_is_drained_before_its_reboot_and_its_role_runs_after_it() -> None:
    names = ("m1", "a1")
    assert [step.describe() for step in kernels(*names, fails=names)[1:]] == [
        "reboot m1, if needed: a newer kernel is installed", "Kernel on m1, if needed: tried again after the reboot",
        "drain Mesos agent on a1, if needed: its tasks move to other agents", "reboot a1, if needed: a newer kernel is installed",
        "Kernel on a1, if needed: tried again after the reboot", "Mesos agent on a1, if needed: accepts tasks again"]
    assert [step.verb for step in kernels("a1", fails=("a1",), agents="down")] == ["up", "reboot", "up"]
    assert [step.verb for step in kernels(*names, fails=names, limit=("m1",))] == ["up", "reboot", "up"]


def test_a_roll_says_that_it_is_done_together_where_none_serves_but_not_on_the_way_to_another_size() -> None:
    roll = Step(component("zookeeper"), ("m1", "m2"), batch=1)
    assert (roll.describe(), roll.as_json()["together_if_none_serves"]) == (
        "ZooKeeper on m1, m2 (one at a time; all together if none serves)", True)
    for other in (replace(roll, expect={"members": 3}), replace(roll, hosts=("m1",)), replace(roll, verb="remove"), replace(roll, batch=0)):
        assert not other.together_if_none_serves
        assert "together" not in other.describe()


def test_only_and_limit_and_silent_hosts_narrow_the_plan() -> None:
    plan = make_plan(cluster(), RENDERED, seen(away=("a2",)), only=("docker", "registrator"), limit=("a1", "a2"))
    assert [(s.component.name, s.hosts) for s in plan.steps] == [("docker", ("a1",)), ("registrator", ("a1",))]


def test_agents_follow_in_batches_where_they_serve_already() -> None:
    large = cluster(*agents(10))
    serving = observed(large, {h.name: {"mesos_agent": {"state": "ok"}} for h in large.hosts})
    names = [h.name for h in large.hosts]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, serving)] == [2]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, serving, "3")] == [3]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, serving, "100%")] == [0]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, seen())] == [0], "a fresh one is built at once"


def test_what_decides_neither_speaks_nor_acts() -> None:
    modules = [*(project_dir() / "provisioner" / "plan").glob("*.py")]
    assert len(modules) > 10
    forbidden = re.compile(r"^\s*from provisioner(\.| import )(console|context|hosts|run|verbs)\b", re.MULTILINE)
    assert [str(path) for path in modules if forbidden.search(path.read_text())] == []


@pytest.mark.parametrize("text", ["0", "-1", "101%", "half", "20 %", "1.5"])
def test_a_batch_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--batch"):
        share(text, 10)


def test_there_is_no_plan_for_hosts_that_do_not_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to do is what only those that answer can have."""
    hosts = {f"a{n}": f"{{ansible_host: 127.0.0.1, ansible_port: {n}, cluster_address: 192.0.2.{n}}}" for n in (1, 2)}
    path = tmp_path / "inventory.yml"
    path.write_text("masters: {hosts: {m1: {ansible_host: 127.0.0.1, ansible_port: 3, cluster_address: 192.0.2.3}}}\n"
                    f"agents: {{hosts: {{{', '.join(f'{name}: {own}' for name, own in hosts.items())}}}}}\n")
    assert main(["plan", "--hosts", str(path), "--limit", "agents"]) == 4
    told = capsys.readouterr()
    assert "nothing was done: a1, a2 do not answer: " in told.err and "nothing to do" not in told.out
