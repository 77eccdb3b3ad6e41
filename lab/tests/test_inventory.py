"""The inventory that a lab writes: readable by the driver and by Ansible, and the user's own from then on."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner_lab.hosts.inventory import merged, save
from provisioner_lab.hosts.keys import pin
from provisioner_lab.model import Lab, node_names


def lab_in(folder: Path) -> Lab:
    """A lab whose files would lie in this folder."""
    return Lab("demo", folder, "debian12", ipaddress.IPv4Network("198.18.7.0/24"))


def text_of(lab: Lab, text: str = "", masters: int = 3, agents: int = 2) -> str:
    """The inventory with this many hosts."""
    return merged(text, lab, [lab.node(name) for name in node_names(masters, agents)])


def test_the_driver_reads_it(tmp_path: Path) -> None:
    lab = lab_in(tmp_path)
    save(lab.inventory, text_of(lab))
    cluster = load(lab.inventory)
    assert cluster.name == "lab-demo"
    assert cluster.state_dir == lab.cluster_state
    first = cluster.host("m1")
    assert (first.address, first.user) == ("198.18.7.11", "operator")
    assert {host.name for host in cluster.members("masters")} == {"m1", "m2", "m3"}
    assert {host.name for host in cluster.members("agents")} == {"a1", "a2"}
    assert cluster.variables["cluster_mirror"] == "http://198.18.7.2"
    assert cluster.variables["cluster_registry"] == "198.18.7.2:5000"


def test_with_played_vendors_a_new_one_names_no_mirror_and_an_old_one_stays(tmp_path: Path) -> None:
    lab = lab_in(tmp_path)
    hosts = [lab.node("m1"), lab.node("a1")]
    save(lab.inventory, merged("", lab, hosts, vendors=True))
    save(lab.home / "vendors.json", "[]")
    variables = load(lab.inventory).variables
    assert variables["cluster_catalogue"] == "vendors.json"
    assert (variables["cluster_mirror"], variables["cluster_registry"]) == ("", "")
    old = merged("", lab, hosts)
    assert merged(old, lab, hosts, vendors=True) == old


def test_a_second_time_changes_nothing() -> None:
    lab = lab_in(Path("/w"))
    assert text_of(lab, text_of(lab)) == text_of(lab)


def test_growing_adds_only_the_new_hosts() -> None:
    lab = lab_in(Path("/w"))
    before = text_of(lab)
    after = text_of(lab, before, agents=3)
    added = [line.strip() for line in after.splitlines() if line not in before.splitlines()]
    assert added == ["a3:", "ansible_host: 198.18.7.103"]


def test_what_the_user_wrote_stays() -> None:
    lab = lab_in(Path("/w"))
    own = text_of(lab).replace("cluster_name: lab-demo", "cluster_name: mine  # my name\n    zookeeper_heap_mb: 300")
    own += "    logstash_server:\n      hosts:\n        m1:\n"
    after = text_of(lab, own, agents=3)
    for line in own.splitlines():
        assert line in after.splitlines()


@pytest.mark.parametrize("text", ["all: [", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_inventory_is_not_overwritten(text: str) -> None:
    lab = lab_in(Path("/w"))
    with pytest.raises(InventoryError) as caught:
        text_of(lab, text)
    assert str(lab.inventory) in str(caught.value)


def test_a_pinned_key_replaces_the_older_one_of_the_same_address() -> None:
    first = pin("", "198.18.7.1", "ssh-ed25519 AAAA root@m1\n")
    both = pin(first, "198.18.7.11", "ssh-ed25519 BBBB root@m2\n")
    assert pin(both, "198.18.7.1", "ssh-ed25519 CCCC\n") == "198.18.7.11 ssh-ed25519 BBBB\n198.18.7.1 ssh-ed25519 CCCC\n"


def test_nobody_else_can_look_into_a_labs_files(tmp_path: Path) -> None:
    path = tmp_path / ".provision" / "labs" / "x" / "inventory.yml"
    save(path, "text")
    assert path.stat().st_mode & 0o777 == 0o600
    for folder in (tmp_path / ".provision", tmp_path / ".provision/labs", path.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in path.parent.iterdir() if entry.is_file()] == ["inventory.yml"]
