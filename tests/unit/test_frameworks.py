"""What a framework that Mesos does not list, or has removed, does to plans and runs."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.components import component
from provisioner.errors import StepFailed
from provisioner.observe import wait
from provisioner.observe.frameworks import leader, refuse_removed, removed
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.make import make_plan
from provisioner.plan.steps import Plan, Step
from provisioner.run import settled
from provisioner.run.settled import await_back
from tests.unit.builders import cluster
from tests.unit.test_plan import RENDERED

NO_DRIVER = {"state": "down", "leader": True, "detail": "leads, but the leading Mesos master 192.0.2.11:5050 lists no framework of it "
             "('provision up' restarts it)", "facts": {"framework": "missing"}}
GONE = {"state": "down", "leader": True, "detail": "leads, but Mesos has removed its framework", "facts": {"framework": "removed"}}
DOWN = {"state": "down", "leader": False, "detail": "the unit chronos is stopped", "facts": {}}


def seen(chronos: dict[str, dict[str, Any]], drift: str = "") -> Observation:
    """Everything is well but Chronos, by host; on m2 `drift` is what differs of it."""
    hosts = {}
    for host in cluster().hosts:
        names = list(host.groups)
        health: dict[str, Any] = {name: {"state": "ok", "facts": {}} for name in names}
        if host.name in chronos:
            health["chronos"] = chronos[host.name]
        settled = dict.fromkeys(names, "") | ({"chronos": drift} if host.name == "m2" else {})
        hosts[host.name] = HostObservation(True, health=health, unsettled=settled)
    return Observation(hosts)


def test_a_leader_without_a_driver_is_in_the_plan_with_its_reason() -> None:
    (step,) = make_plan(cluster(), RENDERED, seen({"m1": NO_DRIVER})).steps
    assert (step.component.name, step.hosts) == ("chronos", ("m1",))
    assert step.why == f"it {NO_DRIVER['detail']}"
    everywhere = make_plan(cluster(), RENDERED, seen({"m1": NO_DRIVER, "m2": DOWN, "m3": DOWN})).steps
    assert "lists no framework" in everywhere[0].why, "also where no member serves"


def test_what_only_a_repair_can_cure_is_no_step_but_what_differs_is() -> None:
    assert make_plan(cluster(), RENDERED, seen({"m1": GONE, "m2": DOWN})).steps == ()
    (step,) = make_plan(cluster(), RENDERED, seen({"m1": GONE}, drift="args was edited")).steps
    assert (step.component.name, step.hosts) == ("chronos", ("m2",))


def test_a_removed_framework_ends_a_run_with_the_cures_command() -> None:
    found = seen({"m1": GONE})
    assert removed(found) == ("chronos",)
    with pytest.raises(StepFailed, match="Chronos: Mesos has removed the framework") as error:
        refuse_removed(found)
    assert error.value.exit_code == 5 and "'provision repair chronos'" in error.value.hint
    refuse_removed(seen({"m1": NO_DRIVER}))


def test_only_a_member_that_mesos_lists_is_the_leader() -> None:
    assert leader(seen({"m1": GONE, "m2": NO_DRIVER}), "chronos") == ""
    assert leader(seen({"m3": {"state": "ok", "leader": True, "facts": {"framework": "registered"}}}), "chronos") == "m3"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Observation]:
    """What is seen one after the other, the last of it from then on; time is up at once."""
    found: list[Observation] = []
    monkeypatch.setattr(settled, "observe", lambda *_, **__: found.pop(0) if len(found) > 1 else found[0])
    monkeypatch.setattr(wait, "PAUSE_SECONDS", 0.0)
    return found


NOTHING = Plan("c", ())


class _Session:
    cluster, rendered, transport = cluster(), RENDERED, None


def test_a_run_waits_for_members_that_a_change_below_them_has_ended(looks: list[Observation]) -> None:
    looks[:] = [seen({"m2": DOWN}), seen({"m2": DOWN}), seen({})]
    await_back(_Session(), seen({}), NOTHING)  # type: ignore[arg-type]  # all that it asks of a session
    assert looks == [seen({})], "it went on before m2 was back"


@pytest.mark.parametrize(("before", "after", "sentence"), [
    ({}, {"m2": DOWN}, "Chronos on m2 was healthy before this run and is not now: the unit chronos is stopped"),
    ({}, {"m1": GONE, "m2": DOWN}, "Mesos has removed the framework"), ({"m1": GONE}, {"m1": GONE}, "Mesos has removed the framework"),
])
def test_a_run_does_not_end_green_over_a_member_that_it_cost(
        looks: list[Observation], monkeypatch: pytest.MonkeyPatch, before: dict[str, Any], after: dict[str, Any], sentence: str) -> None:
    monkeypatch.setattr(wait, "CALM_SECONDS", -1.0)
    looks[:] = [seen(after)]
    with pytest.raises(StepFailed, match=sentence):
        await_back(_Session(), seen(before), NOTHING)  # type: ignore[arg-type]


def test_a_member_that_was_ill_before_is_not_waited_for(looks: list[Observation]) -> None:
    looks[:] = [seen({"m2": DOWN})]
    await_back(_Session(), seen({"m2": DOWN}), NOTHING)  # type: ignore[arg-type]


def test_a_run_does_not_end_green_over_a_leader_without_a_driver_that_was_elected_after_the_checks(
        looks: list[Observation], monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen at the first election of a fresh cluster: none was well before."""
    brought_up, fresh = Plan("c", (Step(component("chronos"), ("m1", "m2", "m3")),)), seen(dict.fromkeys(("m1", "m2", "m3"), DOWN))
    leads = {"state": "ok", "leader": True, "detail": "leads", "facts": {"framework": "registered"}}
    looks[:] = [seen({"m2": NO_DRIVER}), seen({}), seen({"m2": leads}), seen({"m2": NO_DRIVER})]
    await_back(_Session(), fresh, brought_up)  # type: ignore[arg-type]
    assert len(looks) == 1, "an election is waited for"
    await_back(_Session(), fresh, NOTHING)  # type: ignore[arg-type]
    monkeypatch.setattr(wait, "CALM_SECONDS", -1.0)
    with pytest.raises(StepFailed, match=r"Chronos has no leader that Mesos knows: m2 leads, but .*lists no framework of it"):
        await_back(_Session(), fresh, brought_up)  # type: ignore[arg-type]
    looks[:] = [seen({"m2": GONE})]
    with pytest.raises(StepFailed, match="Mesos has removed the framework"):
        await_back(_Session(), fresh, brought_up)  # type: ignore[arg-type]
