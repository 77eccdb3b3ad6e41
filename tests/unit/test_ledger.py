"""Identities are handed out once and stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.cli import main
from provisioner.cluster.model import Cluster, Host
from provisioner.errors import InventoryError
from provisioner.inventory.load import load as read
from provisioner.state.ledger import Ledger, access_doubt, assign, ledger_path, load, save, switch, take_over

EMPTY = Ledger("00000000-0000-4000-8000-000000000000")


def cluster(*names: str, path: Path = Path("/x/inventory.yml"), **ids: int) -> Cluster:
    """A cluster whose ZooKeeper members have these names; `ids` are those that its inventory writes."""
    hosts = [Host(n, n, groups=frozenset({"zookeeper"}), where=f"inventory.yml:{i}") for i, n in enumerate(names, 1)]
    hosts += [Host(n, n, groups=frozenset({"zookeeper"}), variables={"zookeeper_id": i}, where="inventory.yml:9") for n, i in ids.items()]
    return Cluster("demo", path, tuple(sorted(hosts, key=lambda h: h.name)))


def test_a_fresh_cluster_counts_by_name() -> None:
    names = [f"m{i}" for i in range(1, 10)]
    ids = assign(EMPTY, cluster(*names)).zookeeper_ids
    assert list(ids.items()) == [(name, i) for i, name in enumerate(names, 1)]


def test_only_zookeeper_members_get_an_id() -> None:
    agent = Host("a1", "a1", groups=frozenset({"mesos_agent"}))
    assert assign(EMPTY, Cluster("demo", Path("x"), (agent,))).zookeeper_ids == {}


def test_an_inserted_host_takes_nobodys_id() -> None:
    first = assign(EMPTY, cluster("m2", "m3", "m4"))
    assert assign(first, cluster("m1", "m2", "m3", "m4")).zookeeper_ids == {"m1": 4, "m2": 1, "m3": 2, "m4": 3}


def test_the_id_of_a_host_that_left_is_never_given_away() -> None:
    first = assign(EMPTY, cluster("m1", "m2", "m3"))
    second = assign(first, cluster("m1", "m3", "m4"))
    assert second.zookeeper_ids == {"m1": 1, "m3": 3, "m4": 4}
    assert second.retired_ids == {2: "m2"}
    for back in (cluster("m1", "m2", "m4"), cluster("m1", "m4", m2=2)):
        third = assign(second, back)
        assert third.zookeeper_ids == {"m1": 1, "m2": 2, "m4": 4}
        assert third.retired_ids == {3: "m3"}


def test_ids_in_the_inventory_are_used_and_the_others_go_around_them() -> None:
    assert assign(EMPTY, cluster("m1", "m2", m3=1)).zookeeper_ids == {"m1": 2, "m2": 3, "m3": 1}


def test_an_id_in_the_inventory_must_agree_with_the_ledger() -> None:
    first = assign(EMPTY, cluster("m1", "m2", "m3"))
    assert assign(first, cluster("m1", "m2", m3=3)) == first
    with pytest.raises(InventoryError, match="m3 has zookeeper_id 7 here, but 3 in the ledger") as caught:
        assign(first, cluster("m1", "m2", m3=7))
    assert caught.value.where == "inventory.yml:9"


@pytest.mark.parametrize("members", [("m1", "m2", "m3"), ("m1", "m3")])
def test_an_id_of_another_host_is_refused_even_when_that_host_left(members: tuple[str, ...]) -> None:
    first = assign(EMPTY, cluster("m1", "m2", "m3"))
    with pytest.raises(InventoryError, match="m4 can't have zookeeper_id 2: the ledger gave it to m2"):
        assign(first, cluster(*members, m4=2))


def test_ids_run_out_with_a_reason() -> None:
    used = Ledger(EMPTY.cluster_id, retired_ids={i: f"old{i}" for i in range(1, 256)})
    with pytest.raises(InventoryError, match="all ZooKeeper ids from 1 to 255 were handed out; m1 can't get one"):
        assign(used, cluster("m1"))


@settings(max_examples=100, deadline=1000)
@given(st.lists(st.sets(st.sampled_from([f"m{i}" for i in range(1, 13)]), max_size=9), min_size=1, max_size=8))
def test_whatever_happens_an_id_means_one_host_for_ever(history: list[set[str]]) -> None:
    ledger, owner = EMPTY, dict[int, str]()
    for members in history:
        before = ledger
        ledger = assign(before, cluster(*members))
        assert assign(before, cluster(*sorted(members, reverse=True))) == ledger
        assert assign(ledger, cluster(*members)) == ledger
        assert ledger.zookeeper_ids.keys() == members
        for name, i in ledger.zookeeper_ids.items():
            assert owner.setdefault(i, name) == name
        assert {i: n for n, i in ledger.zookeeper_ids.items()} | dict(ledger.retired_ids) == owner


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    here = cluster("m1", "m2", "m3", path=tmp_path / "inventory.yml")
    ledger = assign(assign(load(here), here), cluster("m1", "m2", "10", path=here.path))
    save(here, ledger)
    assert load(here) == ledger
    assert ledger_path(here) == tmp_path / ".provision" / "demo" / "ledger.yml"
    assert ledger_path(here).stat().st_mode & 0o777 == 0o600
    assert [p.name for p in here.state_dir.iterdir()] == ["ledger.yml"]
    written = ledger_path(here).stat().st_mtime_ns
    save(here, ledger)
    assert ledger_path(here).stat().st_mtime_ns == written


PROD, STAGING = "masters: {hosts: {m1: {ansible_host: 203.0.113.11}}}", "masters: {hosts: {m1: {ansible_host: 198.51.100.11}}}"


def inventory(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"all: {{vars: {{cluster_name: example}}}}\n{text}\nagents: {{hosts: {{m1: }}}}\n")
    return path


def test_an_inventory_of_other_machines_never_gets_the_identity_of_the_one_beside_it(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prod, staging = inventory(tmp_path, "prod.yml", PROD), inventory(tmp_path, "staging.yml", STAGING)
    save(read(prod), assign(load(read(prod)), read(prod)))
    before = ledger_path(read(prod)).read_bytes()
    for command in ("validate", "plan", "up", "inventory", "status"):
        capsys.readouterr()
        assert main([command, "--hosts", str(staging)]) == 3
        told = capsys.readouterr().err
        assert f"{staging}: cluster_name example is that of prod.yml in the same directory" in told
        assert "a cluster of other machines (m1 203.0.113.11)\n→ give this inventory a cluster_name of its own" in told
    assert ledger_path(read(prod)).read_bytes() == before
    assert [p.name for p in read(prod).state_dir.iterdir()] == ["ledger.yml"]
    assert load(read(prod)).machines == {"m1": "203.0.113.11"}


def test_an_inventory_may_be_renamed_and_its_machines_may_get_other_addresses(tmp_path: Path) -> None:
    prod = inventory(tmp_path, "prod.yml", PROD)
    first = assign(load(read(prod)), read(prod))
    save(read(prod), first)
    renamed = read(prod.rename(tmp_path / "production.yml"))
    assert load(renamed).cluster_id == first.cluster_id
    save(renamed, assign(load(renamed), renamed))
    moved = read(inventory(tmp_path, "production.yml", STAGING))
    assert assign(load(moved), moved).machines == {"m1": "198.51.100.11"}


def test_a_ledger_that_was_put_back_is_that_of_the_new_machines(tmp_path: Path) -> None:
    prod, other = inventory(tmp_path, "prod.yml", PROD), inventory(tmp_path, "other.yml", STAGING)
    save(read(prod), replace(assign(load(read(prod)), read(prod)), addresses={"m1.example.com": "203.0.113.11"}))
    take_over(read(other))
    assert (load(read(other)).machines, load(read(other)).addresses) == ({"m1": "198.51.100.11"}, {})


def test_validate_names_the_other_inventories_of_the_same_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prod = inventory(tmp_path, "prod.yml", PROD)
    inventory(tmp_path, "staging.yml", STAGING)
    (tmp_path / "other.yml").write_text("all: {vars: {cluster_name: example2}}")
    assert main(["validate", "--hosts", str(prod)]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "cluster_name" in line]
    assert line.startswith("warning: cluster_name example also stands in staging.yml: ")


def test_a_ledger_of_an_earlier_version_is_that_of_whoever_reads_it(tmp_path: Path) -> None:
    prod = inventory(tmp_path, "prod.yml", PROD)
    save(read(prod), assign(load(read(prod)), read(prod)))
    path = ledger_path(read(prod))
    path.write_text(path.read_text().partition("# The inventory")[0])
    assert load(read(inventory(tmp_path, "staging.yml", STAGING))).zookeeper_ids == {"m1": 1}


def test_a_cluster_id_is_made_once(tmp_path: Path) -> None:
    here = cluster("m1", path=tmp_path / "inventory.yml")
    first = load(here)
    assert load(here).cluster_id != first.cluster_id
    save(here, first)
    assert load(here).cluster_id == first.cluster_id


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (("version: 1", "version: 2"), "a newer 'provision' wrote this ledger (version 2; this one knows 1)"),
        (("version: 1", "version: x"), "this is not a ledger: its version is not a number"),
        (('"m2": 2', '"m2": 1'), "its ids are not different numbers from 1 to 255"),
        (('"m2": 2', '"m2": 256'), "its ids are not different numbers from 1 to 255"),
        (('"m2": 2', '"m2": two'), "its ids are not different numbers from 1 to 255"),
        (("zookeeper_ids:\n", "zookeeper:\n"), "the ledger has no 'zookeeper_ids'"),
        (("cluster_id: ", "cluster_id: x"), "its cluster_id is not a UUID"),
        (('"m2": 2', '"m2": ['), "broken YAML"),
        (("machines:", "addresses: {m1.example.com: here}\nmachines:"), "this is not a ledger: Expected 4 octets in 'here'"),
    ],
)
def test_a_damaged_ledger_is_refused(tmp_path: Path, damage: tuple[str, str], message: str) -> None:
    here = cluster("m1", "m2", "m3", path=tmp_path / "inventory.yml")
    save(here, assign(load(here), here))
    path = ledger_path(here)
    path.write_text(path.read_text().replace(*damage, 1))
    with pytest.raises(InventoryError) as caught:
        load(here)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_empty_ledger_is_refused(tmp_path: Path) -> None:
    here = cluster("m1", path=tmp_path / "inventory.yml")
    save(here, load(here))
    ledger_path(here).write_text("")
    with pytest.raises(InventoryError, match="the ledger has no 'version'"):
        load(here)


def test_a_new_cluster_is_closed_and_one_that_was_built_open_stays_so_until_told() -> None:
    def access(known: Ledger, **variables: str) -> str:
        return assign(known, replace(cluster("m1", "m2", "m3"), variables=variables)).access

    new, older = Ledger("id"), Ledger("id", {"m1": 1})
    assert (access(new), access(new, cluster_access="open")) == ("closed", "open")
    assert (access(older), access(older, cluster_access="closed")) == ("open", "closed")
    assert access(replace(older, access="closed")) == "closed"


def test_a_cluster_that_was_built_is_not_switched_unnoticed() -> None:
    def becomes(known: Ledger, **variables: str) -> str:
        return switch(known, replace(cluster("m1"), variables=variables))

    older = Ledger("id", {"m1": 1})
    assert (becomes(Ledger("id")), becomes(Ledger("id"), cluster_access="open")) == ("", ""), "there is none yet"
    assert (becomes(older), becomes(older, cluster_access="open"), becomes(older, cluster_access="closed")) == ("", "", "closed")
    closed = replace(older, access="closed")
    assert (becomes(closed), becomes(closed, cluster_access="open")) == ("", "open")


def test_a_cluster_that_is_not_as_closed_as_its_inventory_says_is_told_with_the_command(tmp_path: Path) -> None:
    here = cluster("m1", path=tmp_path / "inventory.yml")

    def told(known: Ledger, **variables: str) -> str:
        return access_doubt(known, replace(here, variables=variables))

    older = Ledger("00000000-0000-4000-8000-000000000000", {"m1": 1})
    closed = replace(older, access="closed")
    assert (told(older), told(closed), told(closed, cluster_access="closed")) == ("", "", "")
    assert told(older, cluster_access="closed") == (
        "cluster_access in the inventory is closed, and this cluster is still open: 'provision up' changes that")
    assert "is open, and this cluster is still closed" in told(closed, cluster_access="open")
    save(here, replace(closed, switching=True))
    assert "only in part closed" in told(load(here)) and "'provision up'" in told(load(here))
    save(here, closed)
    assert told(load(here)) == ""
