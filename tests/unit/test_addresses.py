"""Hosts that an inventory knows by name: looked up once, remembered, and never followed in silence."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import main
from provisioner.context import Context
from provisioner.errors import InventoryError
from provisioner.inventory.addresses import look_up
from provisioner.inventory.render import host_variables, to_json
from provisioner.state import ledger

FQDN = """\
all:
  vars: {cluster_name: demo}
  children:
    masters:
      hosts:
        control[01:03].example.com:
    agents:
      hosts:
        compute1.example.com:
        a2: {ansible_host: 198.51.100.22, cluster_address: compute2.example.com}
"""
NAMES = {
    **{f"control0{i}.example.com": ["192.0.2.1" + str(i)] for i in (1, 2, 3)},
    "compute1.example.com": ["192.0.2.21"], "compute2.example.com": ["192.0.2.22"],
}


class Resolver:
    """What names are to this machine. It counts who asks."""

    def __init__(self, names: Mapping[str, list[str]]) -> None:
        self.names = dict(names)
        self.asked: list[str] = []

    def __call__(self, name: str, port: object, **kind: object) -> list[tuple[Any, ...]]:
        self.asked.append(name)
        if not self.names.get(name):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in self.names[name]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """Tests ask no name server: that may be anywhere."""
    found = Resolver(NAMES)
    monkeypatch.setattr(socket, "getaddrinfo", found)
    yield found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "inventory.yml"
    file.write_text(FQDN)
    return file


def saved(path: Path) -> Context:
    """A context of a cluster whose ledger was written."""
    context = Context(path)
    ledger.save(context.cluster, context.ledger)
    return Context(path)


def test_names_are_looked_up_and_everything_rendered_holds_addresses(path: Path, resolver: Resolver) -> None:
    found = Context(path)
    m2 = host_variables(found.rendered, "control02.example.com")
    assert m2["ansible_host"] == "control02.example.com"
    assert m2["common_address"] == m2["mesos_address"] == "192.0.2.12"
    assert m2["mesos_zk_url"].endswith("@192.0.2.11:2181,192.0.2.12:2181,192.0.2.13:2181/mesos")
    assert found.cluster.host("a2").cluster_address == "192.0.2.22"
    assert found.cluster.host("a2").address == "198.51.100.22"
    assert sorted(resolver.asked) == sorted(NAMES)


def test_a_rerun_asks_nobody_and_renders_the_same(path: Path, resolver: Resolver) -> None:
    first = to_json(saved(path).rendered)
    resolver.asked.clear()
    resolver.names = {}
    again = Context(path)
    assert to_json(again.rendered) == first
    assert ledger.load(again.written).addresses == {name: a for name, (a,) in sorted(NAMES.items())}
    assert resolver.asked == []


def test_only_a_new_host_is_looked_up_and_one_that_left_is_forgotten(path: Path, resolver: Resolver) -> None:
    saved(path)
    resolver.asked.clear()
    path.write_text(FQDN.replace("compute1.", "compute9."))
    resolver.names["compute9.example.com"] = ["192.0.2.29"]
    assert {"compute9.example.com"} == saved(path).ledger.addresses.keys() - NAMES.keys()
    assert "compute1.example.com" not in Context(path).ledger.addresses
    assert resolver.asked == ["compute9.example.com"]


def test_a_name_that_moved_is_told_and_not_followed(path: Path, resolver: Resolver) -> None:
    context = saved(path)
    resolver.names["control01.example.com"] = ["192.0.2.99"]
    assert host_variables(context.rendered, "control01.example.com")["common_address"] == "192.0.2.11"
    (moved,) = context.moved()
    assert moved.message == "control01.example.com is 192.0.2.99 now; the cluster was built with 192.0.2.11 and keeps to it"
    assert moved.hint.startswith("if the machine moved, write cluster_address: 192.0.2.99 at control01.example.com")


def test_the_address_that_is_written_ends_it(path: Path, resolver: Resolver) -> None:
    saved(path)
    path.write_text(FQDN.replace("compute1.example.com:", "compute1.example.com: {cluster_address: 192.0.2.99}"))
    after = saved(path)
    assert host_variables(after.rendered, "compute1.example.com")["common_address"] == "192.0.2.99"
    assert "compute1.example.com" not in after.ledger.addresses
    assert after.moved() == []


def test_a_replaced_host_is_looked_up_again(path: Path, resolver: Resolver) -> None:
    context = saved(path)
    resolver.names |= {"control01.example.com": ["192.0.2.99"], "control02.example.com": ["192.0.2.98"]}
    after = context.look_up_again("control01.example.com")
    known = {name: after.cluster.host(name).cluster_address for name in ("control01.example.com", "control02.example.com")}
    assert known == {"control01.example.com": "192.0.2.99", "control02.example.com": "192.0.2.12"}
    assert after.ledger.addresses["control01.example.com"] == "192.0.2.99"


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        ([], "can't be resolved: Name or service not known"),
        (["127.0.1.1"], "is 127.0.1.1 here, which only this machine reaches (see /etc/hosts)"),
        (["2001:db8::1"], "has only an IPv6 address, which ZooKeeper's and Mesos' connection strings can't hold"),
        (["192.0.2.9", "10.0.0.9"], "has 2 addresses (10.0.0.9, 192.0.2.9): write the one of the cluster's network as cluster_address"),
        (["192.0.2.11"], "has the address 192.0.2.11, which is that of control01.example.com"),
    ],
)
def test_a_name_that_is_no_address(path: Path, resolver: Resolver, addresses: list[str], why: str) -> None:
    resolver.names["control02.example.com"] = addresses
    with pytest.raises(InventoryError) as caught:
        Context(path).rendered  # noqa: B018
    assert f"{path}:6: control02.example.com {why}" in str(caught.value) or f"control02.example.com) {why}" in str(caught.value)
    assert "cluster_address" in caught.value.hint


def test_debians_loopback_entry_does_not_hide_the_address(path: Path, resolver: Resolver) -> None:
    resolver.names["control02.example.com"] = ["127.0.1.1", "192.0.2.12", "2001:db8::12"]
    assert Context(path).cluster.host("control02.example.com").cluster_address == "192.0.2.12"


def test_all_unknown_names_are_one_error(path: Path, resolver: Resolver) -> None:
    resolver.names = {"control01.example.com": ["192.0.2.11"]}
    with pytest.raises(InventoryError) as caught:
        Context(path).rendered  # noqa: B018
    assert caught.value.message == (
        "3 problems with host names\n"
        f"  {path}:10: compute2.example.com can't be resolved: Name or service not known\n"
        f"  {path}:9: compute1.example.com can't be resolved: Name or service not known\n"
        f"  {path}:6: control02.example.com, control03.example.com can't be resolved: Name or service not known"
    )


def test_validate_warns_of_names_and_up_would_stop(path: Path, resolver: Resolver, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "--hosts", str(path)]) == 0
    assert "'up' needs an address for every host" not in capsys.readouterr().err
    resolver.names = {}
    assert main(["validate", "--hosts", str(path)]) == 0
    told = capsys.readouterr()
    assert "compute1.example.com can't be resolved" in told.err and "'up' needs an address for every host" in told.err
    assert "valid: cluster demo, 5 hosts" in told.out
    assert main(["inventory", "--hosts", str(path)]) == 3
    assert main(["plan", "--hosts", str(path)]) == 3
    assert not (path.parent / ".provision").exists()


def test_validate_finds_what_is_wrong_beside_the_names(path: Path, resolver: Resolver) -> None:
    resolver.names = {}
    path.write_text(FQDN.replace("cluster_name: demo", "cluster_name: demo, cluster_versions: {consul: '0.1'}"))
    assert main(["validate", "--hosts", str(path)]) == 3


def test_a_resolver_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *name, **kind: over.wait(30) and [])
    started = time.monotonic()
    found = look_up([f"a{i}.example.com" for i in range(500)], 0.2)
    over.set()
    assert {answer.why for answer in found.values()} == {"the resolver did not answer within 0.2 s"}
    assert time.monotonic() - started < 5


def test_loopback_is_no_address_for_others() -> None:
    assert "which only this machine reaches" in look_up(["localhost"], 10)["localhost"].why


def test_a_rendered_inventory_is_the_same_before_the_first_up(path: Path, resolver: Resolver, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for _ in range(2):
        assert main(["inventory", "--json", "--hosts", str(path)]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["all"]["vars"]["common_cluster_id"] == ""
    assert not (path.parent / ".provision").exists()
    identity = saved(path).ledger.cluster_id
    assert main(["inventory", "--json", "--hosts", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["all"]["vars"]["common_cluster_id"] == identity
