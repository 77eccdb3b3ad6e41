"""Reboots: proven by the boot id, refused where another voter is missing, and over only when all works again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provisioner.cluster.model import Host
from provisioner.components import component
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.openssh import Completed
from provisioner.plan.steps import Step
from provisioner.run import reboot
from provisioner.run.outcome import Outcome
from provisioner.run.reboot import Reboots
from provisioner_lab.testing import Call, FakeTransport, probed, said
from tests.unit.builders import cluster, masters, rendered

CLUSTER = cluster(*masters(3, ("zookeeper", "kernel")))
RENDERED = rendered(CLUSTER, zookeeper_probe={"unit": "zookeeper"})


class Machine:
    """A host that reboots: away for two questions, then back with another id."""

    def __init__(self, *, obeys: bool = True, zookeeper: str = "ok", breaks: bool = False) -> None:
        self.boots, self.away, self.obeys, self.zookeeper, self.breaks = 1, 0, obeys, zookeeper, breaks

    def __call__(self, call: Call) -> Completed:
        if self.away:
            self.away -= 1
            raise UnreachableError("no route to host")
        if call.request:
            return probed(health={"zookeeper": {"state": "down" if self.breaks and self.boots > 1 else self.zookeeper}})
        if call.command == "systemctl reboot" and self.obeys:
            self.boots, self.away = self.boots + 1, 2
            raise UnreachableError("connection closed")
        return said(f"boot-{self.boots}\n")


def boot(machine: Callable[[Call], Completed], host: str = "m1") -> Outcome:
    return reboots(machine)(Step(component("kernel"), (host,), verb="reboot"), (host,), lambda event: None)


def reboots(machine: Callable[[Call], Completed]) -> Reboots:
    return Reboots(CLUSTER, RENDERED, FakeTransport({"m1": machine, "m2": Machine(), "m3": Machine()}), lambda text: None)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reboot, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(reboot, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(reboot, "SERVE_SECONDS", 0.2)


def test_the_machine_that_this_runs_on_is_left_to_its_owner() -> None:
    host = Host("localhost", "localhost", groups=frozenset({"zookeeper", "kernel"}), variables={"ansible_connection": "local"})
    this, machine = cluster(host), Machine()
    with pytest.raises(StepFailed, match="which would end this run") as error:
        Reboots(this, rendered(this), FakeTransport({"localhost": machine}), lambda text: None).needed("localhost")
    assert ("systemctl reboot" in error.value.hint, machine.boots) == (True, 1)


def test_back_means_another_boot_id_and_everything_working() -> None:
    machine = Machine()
    assert boot(machine).changed_tasks == ["m1: rebooted"]
    assert machine.boots == 2


def test_a_host_that_does_not_obey_is_named() -> None:
    with pytest.raises(StepFailed, match="told to reboot and did not"):
        boot(Machine(obeys=False))


def test_what_does_not_come_back_is_named() -> None:
    with pytest.raises(StepFailed, match="zookeeper"):
        boot(Machine(breaks=True))


def test_no_second_voter_goes_away_and_that_is_said_before_anything_is_drained() -> None:
    ill = Machine(zookeeper="down")
    with pytest.raises(StepFailed, match="ZooKeeper does not work on m1"):
        reboots(ill).needed("m2")
    with pytest.raises(StepFailed, match="ZooKeeper does not work on m1"):
        boot(ill, "m2")
    assert ill.boots == 1


@pytest.mark.parametrize(("answer", "needed"), [(said("", code=1), False), (UnreachableError("away"), False)])
def test_only_a_host_that_asks_in_this_boot_needs_one(answer: Completed | UnreachableError, needed: bool) -> None:
    assert reboots(Machine()).needed("m1"), "its note names this boot"
    assert Reboots(CLUSTER, RENDERED, FakeTransport({"m1": answer}), lambda text: None).needed("m1") is needed
