"""The plan is a pure function of cluster and observation."""

from __future__ import annotations

from pathlib import Path

from provisioner.cluster import Cluster, Host
from provisioner.components import COMPONENTS, component_names
from provisioner.observe import HostObservation, Observation
from provisioner.plan import make_plan

MASTER = frozenset({"masters", "consul_server", "logstash_server", "zookeeper", "mesos_master", "marathon", "chronos",
                    *(c.name for c in COMPONENTS if c.shorthand == "all")})
AGENT = frozenset({"agents", "mesos_agent", "registrator", *(c.name for c in COMPONENTS if c.shorthand == "all")})


def cluster() -> Cluster:
    hosts = [Host(n, f"192.0.2.{i}", groups=MASTER) for i, n in enumerate(("m1", "m2", "m3"), 11)]
    hosts += [Host(n, f"192.0.2.{i}", groups=AGENT) for i, n in enumerate(("a1", "a2"), 101)]
    return Cluster("test", Path("/nowhere/inventory.yml"), tuple(hosts))


def seen(health: dict[str, dict[str, dict[str, object]]] | None = None, away: tuple[str, ...] = ()) -> Observation:
    answers = health or {}
    return Observation({h.name: HostObservation(h.name not in away, health=answers.get(h.name, {})) for h in cluster().hosts})


def test_a_fresh_cluster_is_built_in_order_on_all_hosts_at_once() -> None:
    plan = make_plan(cluster(), seen())
    assert [s.component.name for s in plan.steps] == list(component_names())
    assert all(s.batch == 0 for s in plan.steps)
    assert {s.component.name: s.hosts for s in plan.steps}["zookeeper"] == ("m1", "m2", "m3")


def test_a_living_quorum_is_changed_one_at_a_time_and_its_leader_last() -> None:
    health = {"m1": {"zookeeper": {"state": "ok", "leader": True}}, "m2": {"zookeeper": {"state": "ok", "leader": False}},
              "m3": {"zookeeper": {"state": "ok", "leader": False}}}
    step = next(s for s in make_plan(cluster(), seen(health)).steps if s.component.name == "zookeeper")
    assert (step.hosts, step.batch, step.all_or_none) == (("m2", "m3", "m1"), 1, True)


def test_clients_of_a_living_quorum_follow_together_after_its_servers() -> None:
    health = {"m1": {"consul": {"state": "ok", "leader": True}}}
    steps = [s for s in make_plan(cluster(), seen(health)).steps if s.component.name == "consul"]
    assert [(s.hosts, s.batch) for s in steps] == [(("m2", "m3", "m1"), 1), (("a1", "a2"), 0)]


def test_what_is_as_applied_and_works_is_left_alone() -> None:
    health: dict[str, dict[str, object]] = {c: {"state": "ok", "leader": False} for c in component_names()}
    fine = {h.name: HostObservation(True, health=health, unsettled=dict.fromkeys(h.groups, "")) for h in cluster().hosts}
    assert make_plan(cluster(), Observation(fine)).steps == ()
    assert len(make_plan(cluster(), Observation(fine), full=True).steps) >= len(COMPONENTS)

    drifted = {**fine, "m2": HostObservation(True, health=health, unsettled={**fine["m2"].unsettled, "zookeeper": "zoo.cfg was edited"})}
    (step,) = make_plan(cluster(), Observation(drifted)).steps
    assert (step.component.name, step.hosts, step.why) == ("zookeeper", ("m2",), "zoo.cfg was edited")

    sick = {**fine, "a1": HostObservation(True, health={**health, "docker": {"state": "down"}}, unsettled=fine["a1"].unsettled)}
    (step,) = make_plan(cluster(), Observation(sick)).steps
    assert (step.component.name, step.hosts) == ("docker", ("a1",))

    silent = {**fine, "a1": HostObservation(True, health=health)}
    assert {s.hosts for s in make_plan(cluster(), Observation(silent)).steps} == {("a1",)}, "no answer is no reason to skip"


def test_only_and_limit_and_silent_hosts_narrow_the_plan() -> None:
    plan = make_plan(cluster(), seen(away=("a2",)), only=("docker", "registrator"), limit=("a1", "a2"))
    assert [(s.component.name, s.hosts) for s in plan.steps] == [("docker", ("a1",)), ("registrator", ("a1",))]
