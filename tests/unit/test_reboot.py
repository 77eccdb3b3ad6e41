"""Reboots: proven by the boot id, refused where another voter is missing, and over only when all works again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.openssh import Completed
from provisioner.run import reboot
from provisioner.run.reboot import Reboots
from provisioner_lab.testing import Call, FakeTransport, probed, said

GROUPS = frozenset({"zookeeper", "kernel"})
HOSTS = tuple(Host(n, f"192.0.2.{i}", groups=GROUPS) for i, n in enumerate(("m1", "m2", "m3")))
CLUSTER = Cluster("c", Path("/nowhere/inventory.yml"), HOSTS)
RENDERED = {"all": {"vars": {"zookeeper_probe": {"unit": "zookeeper"}}, "hosts": {h.name: {} for h in CLUSTER.hosts}}}


class Machine:
    """A host that reboots: away for two questions, then back with another id."""

    def __init__(self, *, obeys: bool = True, zookeeper: str = "ok") -> None:
        self.boots, self.away, self.obeys, self.zookeeper = 1, 0, obeys, zookeeper

    def __call__(self, call: Call) -> Completed:
        if self.away:
            self.away -= 1
            raise UnreachableError("no route to host")
        if call.request:
            return probed(health={"zookeeper": {"state": self.zookeeper}})
        if call.command == "systemctl reboot" and self.obeys:
            self.boots, self.away = self.boots + 1, 2
            raise UnreachableError("connection closed")
        return said(f"boot-{self.boots}\n")


def reboots(machine: Callable[[Call], Completed]) -> Reboots:
    return Reboots(CLUSTER, RENDERED, FakeTransport({"m1": machine, "m2": Machine(), "m3": Machine()}), lambda text: None)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reboot, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(reboot, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(reboot, "SERVE_SECONDS", 0.2)


def test_back_means_another_boot_id_and_everything_working() -> None:
    machine = Machine()
    reboots(machine).reboot("m1", frozenset({"zookeeper"}))
    assert machine.boots == 2


def test_a_host_that_does_not_obey_is_named() -> None:
    with pytest.raises(StepFailed, match="told to reboot and did not"):
        reboots(Machine(obeys=False)).reboot("m1", frozenset())


def test_what_does_not_come_back_is_named() -> None:
    with pytest.raises(StepFailed, match="zookeeper"):
        reboots(Machine(zookeeper="down")).reboot("m1", frozenset({"zookeeper"}))


def test_no_second_voter_goes_away() -> None:
    assert reboots(Machine()).serving("m1") == {"zookeeper"}
    with pytest.raises(StepFailed, match="ZooKeeper does not work on m1"):
        reboots(Machine(zookeeper="down")).serving("m2")


def test_only_hosts_that_ask_in_this_boot_are_pending() -> None:
    asking = FakeTransport({"m1": said("", code=0), "m2": said("", code=1), "m3": UnreachableError("away")})
    assert Reboots(CLUSTER, RENDERED, asking, lambda text: None).pending(["m1", "m2", "m3"]) == ("m1",)
