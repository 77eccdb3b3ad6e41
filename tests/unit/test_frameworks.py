"""What a framework that Mesos does not list, or has removed, does to plans and runs."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.errors import StepFailed
from provisioner.frameworks import leader, refuse_removed, removed
from provisioner.observe import HostObservation, Observation
from provisioner.plan import make_plan
from tests.unit.test_plan import RENDERED, cluster

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
