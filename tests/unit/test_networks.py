"""Where the members of a cluster are, and what only they reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.filter.network import ports_by_protocol

from provisioner.errors import InventoryError
from provisioner.inventory.formats import networks
from provisioner.inventory.networks import joined, networks_of, span
from provisioner.inventory.render import host_variables
from tests.unit.test_render import inventory, rendered


def seen(folder: Path, host: str, **variables: object) -> dict[str, Any]:
    return host_variables(rendered(folder, inventory(["m1", "m2", "m3"], ["a1", "a2"], **variables)), host)


def ports(found: dict[str, Any], reach: str) -> set[str]:
    return {f"{each['port']}/{each['protocol']}" for each in found["common_open_ports"] if each["reach"] == reach}


@pytest.mark.parametrize(("value", "wrong"), [
    (["10.1.0.0/16", "10.2.0.7", "10.2.0.5 - 10.2.0.9"], ""),
    (["10.1.0.0/16", "10.1.0.0/33"], "must be an IPv4 network like 10.1.0.0/16 or a range like 10.1.0.5-10.1.0.9: '10.1.0.0/33'"),
    (["fd00::/8"], "must be an IPv4 network like 10.1.0.0/16 or a range like 10.1.0.5-10.1.0.9: 'fd00::/8'"),
    (["10.1.0.7/16"], "has an address of a host in it, the network is 10.1.0.0/16: '10.1.0.7/16'"),
    (["10.1.0.9-10.1.0.5"], "ends before it begins: '10.1.0.9-10.1.0.5'"),
    (["all"], "must be an IPv4 network like 10.1.0.0/16 or a range like 10.1.0.5-10.1.0.9: 'all'"),
])
def test_a_wrong_network_is_named(value: list[str], wrong: str) -> None:
    assert networks(value) == wrong


def test_networks_are_joined_where_they_meet() -> None:
    assert joined(["10.2.0.5-10.2.0.9", "10.1.1.0/24", "10.1.0.0/24", "10.2.0.8-10.2.0.12"]) == ["10.1.0.0/23", "10.2.0.5-10.2.0.12"]
    assert joined(["10.1.0.7"]) == ["10.1.0.7/32"]
    assert span("10.1.0.0/24")[1] - span("10.1.0.0/24")[0] == 255


def test_without_any_the_networks_are_those_around_the_hosts(tmp_path: Path) -> None:
    assert seen(tmp_path, "a1")["common_networks"] == ["192.0.2.0/24"]
    assert networks_of(["10.0.0.1", "10.0.1.200", "10.0.9.1", "by-name"]) == ["10.0.0.0/23", "10.0.9.0/24"]


def test_a_host_outside_of_the_clusters_networks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as told:
        seen(tmp_path, "a1", cluster_networks=["192.0.2.0-192.0.2.14"])
    assert "m3 is at 192.0.2.15, in none of cluster_networks" in str(told.value)
    assert seen(tmp_path, "a1", cluster_networks=["192.0.2.0-192.0.2.15"])["common_networks"] == ["192.0.2.0/28"]


def test_each_port_is_for_whom_it_has_to_be(tmp_path: Path) -> None:
    master, agent = seen(tmp_path, "m1"), seen(tmp_path, "a1")
    assert {"2181/tcp", "2888/tcp", "3888/tcp", "8301/udp", "8300/tcp", "2377/tcp", "15101/tcp"} <= ports(master, "members")
    assert {"7946/udp", "4789/udp"} <= ports(agent, "members")
    assert "2181/tcp" not in ports(agent, "members"), "nobody listens there; what else does is no business of ours"
    assert ports(agent, "host") == {"53/tcp", "53/udp"}
    assert {"31000-32000/tcp"} <= ports(agent, "users")
    # What goes through an agent to any other host, and what its people may not reach.
    others = {f"{each['port']}/{each['protocol']}" for each in agent["common_members_ports"]}
    assert {"2181/tcp", "8300/tcp", "7946/udp"} <= others
    assert not others & {"53/udp", "31000-32000/tcp"}


def test_a_port_that_was_moved_on_one_host_is_closed_on_all(tmp_path: Path) -> None:
    found = seen(tmp_path, "a1", zookeeper_client_port=12181)
    assert "12181/tcp" in {f"{each['port']}/{each['protocol']}" for each in found["common_members_ports"]}


def test_an_open_cluster_has_no_network_rules(tmp_path: Path) -> None:
    found = seen(tmp_path, "m1", cluster_access="open")
    assert [name for name in found if name in ("common_networks", "common_open_ports", "common_members_ports")] == []
    assert "network" not in found["common_probe"]


def test_ports_are_the_elements_of_a_set() -> None:
    rows = [{"port": "8301", "protocol": "udp"}, {"port": "31000-32000", "protocol": "tcp"}, {"port": "31500", "protocol": "tcp"},
            {"port": "53", "protocol": "tcp"}, {"port": "53", "protocol": "tcp"}]
    assert ports_by_protocol(rows) == [("tcp", "53, 31000-32000"), ("udp", "8301")]
    assert ports_by_protocol(rows[:1]) == [("udp", "8301")]
