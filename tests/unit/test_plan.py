"""The plan is a pure function of cluster and observation."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS, component, component_names
from provisioner.errors import UsageError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.make import make_plan
from provisioner.plan.rolling import rolled, share

MASTER = frozenset({"masters", "consul_server", "logstash_server", "zookeeper", "mesos_master", "marathon", "chronos",
                    *(c.name for c in COMPONENTS if c.shorthand == "all")})
#: What a plan reads of the rendered inventory.
RENDERED = {"all": {"vars": {}, "hosts": {f"m{n}": {"zookeeper_id": n, "zookeeper_address": f"192.0.2.{10 + n}"} for n in (1, 2, 3)}
                    | {"a1": {}, "a2": {}}}}
AGENT = frozenset({"agents", "mesos_agent", "registrator", *(c.name for c in COMPONENTS if c.shorthand == "all")})


def cluster() -> Cluster:
    hosts = [Host(n, f"192.0.2.{i}", groups=MASTER) for i, n in enumerate(("m1", "m2", "m3"), 11)]
    hosts += [Host(n, f"192.0.2.{i}", groups=AGENT) for i, n in enumerate(("a1", "a2"), 101)]
    return Cluster("test", Path("/nowhere/inventory.yml"), tuple(hosts))


def seen(health: dict[str, dict[str, dict[str, object]]] | None = None, away: tuple[str, ...] = ()) -> Observation:
    answers = health or {}
    return Observation({h.name: HostObservation(h.name not in away, health=answers.get(h.name, {})) for h in cluster().hosts})


def test_a_fresh_cluster_is_built_in_order_on_all_hosts_at_once() -> None:
    plan = make_plan(cluster(), RENDERED, seen())
    assert [s.component.name for s in plan.steps] == list(component_names())
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


def test_only_and_limit_and_silent_hosts_narrow_the_plan() -> None:
    plan = make_plan(cluster(), RENDERED, seen(away=("a2",)), only=("docker", "registrator"), limit=("a1", "a2"))
    assert [(s.component.name, s.hosts) for s in plan.steps] == [("docker", ("a1",)), ("registrator", ("a1",))]


def test_agents_follow_in_batches_where_they_serve_already() -> None:
    agents = tuple(Host(f"a{n}", f"192.0.2.{100 + n}", groups=AGENT) for n in range(1, 11))
    large = Cluster("test", Path("/nowhere/inventory.yml"), agents)
    serving = Observation({h.name: HostObservation(True, health={"mesos_agent": {"state": "ok"}}) for h in agents})
    names = [h.name for h in agents]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, serving)] == [2]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, serving, "3")] == [3]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, serving, "100%")] == [0]
    assert [s.batch for s in rolled(component("mesos_agent"), names, large, seen())] == [0], "a fresh one is built at once"


@pytest.mark.parametrize("text", ["0", "-1", "101%", "half", "20 %", "1.5"])
def test_a_batch_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--batch"):
        share(text, 10)
