"""Members that are asked while a roll goes on: an election is borne with, a quorum that stays lost is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.components import component
from provisioner.context import Context
from provisioner.hosts.openssh import Completed
from provisioner.inventory.starter import write_inventory
from provisioner.observe import wait
from provisioner.plan.steps import Step
from provisioner.run import members as gate
from provisioner.run.members import LiveMembers
from provisioner_lab.testing import Call, FakeTransport, probed

STEP = Step(component("zookeeper"), ("m1", "m2", "m3"), batch=1)


def members(folder: Path, *states: str, component: str = "zookeeper") -> LiveMembers:
    """All three are in the first of these states, then in the next; the last one lasts."""
    told = {name: [*states] for name in STEP.hosts}

    def answer(call: Call) -> Completed:
        state = told[call.host].pop(0) if len(told[call.host]) > 1 else told[call.host][0]
        return probed(health={component: {"state": state, "leader": call.host == "m1"}})

    return LiveMembers(Context(write_inventory(folder), transport=FakeTransport(dict.fromkeys(STEP.hosts, answer))))


def test_an_election_is_waited_for_before_anybody_is_said_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait, "PAUSE_SECONDS", 0)
    assert members(tmp_path, "down", "down", "ok").now(STEP) == (["m2", "m3", "m1"], frozenset({"m1", "m2", "m3"}))


def test_where_nobody_serves_for_long_that_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "GATE_SECONDS", 0)
    order, serving = members(tmp_path, "down").now(STEP)
    assert (sorted(order), serving) == (["m1", "m2", "m3"], frozenset())


def test_a_marathon_that_gave_up_the_lead_when_mesos_leader_changed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends itself with 103, systemd starts it again three seconds later, and it answers after some more."""
    monkeypatch.setattr(wait, "PAUSE_SECONDS", 0)
    step = Step(component("marathon"), STEP.hosts, batch=1)
    assert members(tmp_path, "down", "down", "down", "ok", component="marathon").missing(step, frozenset({"m1", "m2"})) == frozenset()
