"""Names, addresses and networks of labs."""

from __future__ import annotations

import errno
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import ProvisionError, UsageError
from provisioner_lab.hosts import machine
from provisioner_lab.hosts.machine import allow_watchers, missing_capabilities, parse_networks, parse_routes, without_refused
from provisioner_lab.model import (
    LAB_RANGE,
    MOST_AGENTS,
    MOST_MASTERS,
    Lab,
    check_name,
    default_inventory,
    free_subnet,
    node_names,
    node_order,
)

LAB = Lab("default", Path("/w"), "debian12", ipaddress.IPv4Network("198.18.4.0/24"))
SUBNETS = list(LAB_RANGE.subnets(new_prefix=24))


def test_hosts_have_fixed_addresses_that_never_collide() -> None:
    names = node_names(MOST_MASTERS, MOST_AGENTS)
    addresses = [LAB.node(name).address for name in names]
    assert LAB.node("m1").address == "198.18.4.11"
    assert LAB.node("a1").address == "198.18.4.101"
    assert len({*addresses, LAB.mirror, LAB.gateway}) == len(names) + 2
    assert all(ipaddress.ip_address(address) in LAB.subnet and not address.endswith((".0", ".255")) for address in addresses)


def test_everything_of_a_lab_lies_in_its_own_folder() -> None:
    assert LAB.inventory == Path("/w/.provision/labs/default/inventory.yml")
    assert LAB.cluster_state == LAB.inventory.parent / ".provision" / "lab-default"
    assert LAB.key.is_relative_to(LAB.home)


@pytest.mark.parametrize("name", ["m0", "m91", "x1", "a", "m01", "mirror", "a155"])
def test_a_host_that_no_lab_has_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't be a host"):
        LAB.node(name)


@pytest.mark.parametrize("name", ["", "Lab", "1x", "a b", "x/../y", "a--b", "a" * 21, "-x", "ä"])
def test_a_name_that_docker_or_a_path_would_choke_on_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't be the name"):
        check_name(name)


@pytest.mark.parametrize(("masters", "agents"), [(0, 1), (-1, 0), (1, -1), (MOST_MASTERS + 1, 0), (1, MOST_AGENTS + 1)])
def test_numbers_of_hosts_that_do_not_fit_are_refused(masters: int, agents: int) -> None:
    with pytest.raises(UsageError, match="a lab can't have"):
        node_names(masters, agents)


def test_hosts_sort_by_number_with_the_mirror_last() -> None:
    assert sorted(["mirror", "a1", "m10", "a10", "m2", "a2"], key=node_order) == ["m2", "m10", "a1", "a2", "a10", "mirror"]


@given(st.sets(st.sampled_from(SUBNETS), max_size=len(SUBNETS) - 1))
def test_a_new_lab_takes_the_first_network_that_nobody_uses(taken: set[ipaddress.IPv4Network]) -> None:
    chosen = free_subnet(list(taken))
    assert chosen not in taken
    assert all(earlier in taken for earlier in SUBNETS[: SUBNETS.index(chosen)])


def test_a_larger_or_smaller_network_in_the_range_counts_as_used() -> None:
    taken = [ipaddress.IPv4Network("198.18.0.0/16"), ipaddress.IPv4Network("198.19.0.128/25")]
    assert free_subnet(taken) == ipaddress.IPv4Network("198.19.1.0/24")
    with pytest.raises(UsageError, match="no free network"):
        free_subnet([LAB_RANGE])


def test_the_default_route_takes_no_network() -> None:
    text = '[{"dst":"default","gateway":"192.0.2.1"},{"dst":"192.0.2.0/24"},{"dst":"198.18.0.1"},{"dst":"0.0.0.0/0"}]'
    assert parse_routes(text) == [ipaddress.IPv4Network("192.0.2.0/24"), ipaddress.IPv4Network("198.18.0.1/32")]
    assert parse_routes("") == []


def test_docker_networks_without_a_subnet_are_passed_over() -> None:
    text = '[{"IPAM":{"Config":null}},{"IPAM":{"Config":[{"Subnet":"198.18.1.0/24"},{"Subnet":"fd00::/64"},{}]}}]'
    assert parse_networks(text) == [ipaddress.IPv4Network("198.18.1.0/24")]


def test_a_large_lab_gets_more_watchers_of_files_and_a_high_limit_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "max_user_instances"
    monkeypatch.setattr(machine, "WATCHERS", limit)
    for before, hosts, after in (("128\n", 5, "1024\n"), ("128\n", 100, "2000\n"), ("8192\n", 100, "8192\n")):
        limit.write_text(before)
        allow_watchers(hosts)
        assert limit.read_text() == after


def test_where_the_limit_of_watchers_stays_low_only_a_large_lab_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    limit = tmp_path / "max_user_instances"
    limit.write_text("128\n")
    monkeypatch.setattr(machine, "WATCHERS", limit)
    monkeypatch.setattr(Path, "write_text", forbidden)
    allow_watchers(10)
    with pytest.raises(ProvisionError, match="30 hosts need more watchers of files than the 128"):
        allow_watchers(30)


def test_capabilities_that_the_machine_lacks_are_named() -> None:
    full = (1 << 41) - 1
    assert missing_capabilities(f"Name:\tx\nCapBnd:\t{full:016x}\n") == ()
    assert missing_capabilities(f"CapBnd:\t{full & ~(1 << 24):016x}\n") == ("SYS_RESOURCE",)
    assert missing_capabilities("CapBnd:\t00000000a80425fb\n")[:2] == ("DAC_READ_SEARCH", "LINUX_IMMUTABLE")


def test_what_the_engine_refuses_to_drop_is_not_dropped() -> None:
    drop = ("SYS_RESOURCE", "PERFMON", "BPF")
    assert without_refused(drop, 'invalid CapDrop: unknown capability: "CAP_PERFMON"') == ("SYS_RESOURCE", "BPF")
    assert without_refused(drop, 'capability not available in the current environment: "CAP_BPF"') == ("SYS_RESOURCE", "PERFMON")
    assert without_refused(drop, "no such image") == drop


def test_the_inventory_of_a_lab_lies_in_its_folder() -> None:
    assert default_inventory("demo", Path("/w")) == Path("/w/.provision/labs/demo/inventory.yml")
