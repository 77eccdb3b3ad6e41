"""What every host needs of its system: neighbours by name, kernel settings, tools, a firewall that is off or knows the cluster, and rules
that close to others what only its members need."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.support.checkout import eventually

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]
#: Ports on which nothing of the cluster listens: one that the firewall is told to open, one that it is not.
OPEN, SHUT = 18080, 18081
NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
CONNECT = "python3 -c 'import socket; socket.create_connection((\"{address}\", {port}), 5)'"


@pytest.fixture(scope="module")
def walled(on: On, packages: Callable[..., None], converge: Converge) -> Iterator[Any]:
    """A host with firewalld as an operator may have it: installed, enabled and running before we come."""
    host = on("a2")
    packages("a2", "install", "firewalld")
    host.check_output("systemctl enable --now firewalld")
    yield host
    done = converge("common", "a2")
    packages("a2", "remove", "firewalld")
    host.check_output("rm -rf /etc/firewalld")
    assert done.returncode == 0, f"the firewall is not switched off again:\n{done.stdout[-3000:]}"


@pytest.fixture
def listeners(walled: Any) -> Iterator[None]:
    """Something that answers behind both ports of that host."""
    for port in (OPEN, SHUT):
        walled.check_output(f"systemd-run --quiet --collect --unit=scenario-{port} python3 -m http.server --directory /mnt {port}")
    yield
    walled.check_output(f"systemctl stop scenario-{OPEN} scenario-{SHUT}")


def test_every_host_knows_itself_and_the_masters_by_name_and_schedulers_know_all(on: On, members: Members) -> None:
    """Also without any name server: the lab's own one would answer. Others they find by DNS; schedulers know all."""
    everybody = members("common")
    asking = "for name in {}; do echo $name $(getent --service=hosts:files ahostsv4 $name); done".format(" ".join(everybody))
    for host in everybody:
        wanted = everybody if host in members("marathon") else {**members("zookeeper"), host: everybody[host]}
        asked = on(host).run(asking)
        found = {words[0]: words[1] for words in map(str.split, asked.stdout.splitlines()) if len(words) > 1}
        assert found == wanted, f"{host} finds {found}, not {wanted}"


def test_kernel_settings_are_live(on: On) -> None:
    """One that a container may set for itself. Limits of open files can't be shown here: containers may not raise theirs."""
    assert on("a1").check_output("cat /proc/sys/net/core/somaxconn") == "1024"


def test_the_tools_work(on: On) -> None:
    for command in ("git --version", "wget --version", "elinks -version", "command -v rz || command -v lrz", "command -v nc"):
        on("a1").check_output(command)


def test_a_firewall_that_runs_is_switched_off(walled: Any, converge: Converge) -> None:
    assert walled.check_output("firewall-cmd --state") == "running"
    done = converge("common", "a2")
    assert done.returncode == 0, done.stdout[-3000:]
    assert not walled.service("firewalld").is_running, "firewalld still runs"
    assert not walled.service("firewalld").is_enabled, "firewalld would come back at the next boot"


def test_a_managed_firewall_opens_the_clusters_ports_to_the_cluster_and_ssh_to_all(
        walled: Any, listeners: None, on: On, members: Members, variable: Callable[[str, str], Any], converge: Converge) -> None:
    def reaches(host: str, port: int) -> bool:
        return bool(on(host).run(CONNECT.format(address=members("common")["a2"], port=port)).rc == 0)

    eventually("both ports answer while there is no firewall", 20, lambda: reaches("mirror", OPEN) and reaches("mirror", SHUT))
    ports = [*variable("a2", "common_firewall_ports"), {"port": str(OPEN), "protocol": "tcp"}]
    done = converge("common", "a2", common_firewall="managed", common_firewall_ports=ports, common_probe={"firewall": "managed"},
                    common_firewall_sources=list(members("common").values()))
    assert done.returncode == 0, done.stdout[-3000:]
    for host in ("a1", "m1"):
        assert reaches(host, OPEN), "a host of the cluster does not reach a port that is listed in common_firewall_ports"
    assert not reaches("a1", SHUT), "a port that nobody listed is open"
    assert not reaches("mirror", OPEN), "a port of the cluster is open to a host that is not in common_firewall_sources"
    assert reaches("mirror", 22), "SSH is closed to hosts outside the cluster: the operator would be locked out"
    way_back = walled.service("provisioner-firewall-rollback.timer")
    assert not way_back.is_running, "the way back was not disarmed: the firewall would switch itself off"


@pytest.fixture
def guarded(on: On, converge: Converge, variable: Callable[[str, str], Any]) -> Iterator[Callable[..., bool]]:
    """`guarded(host, port, prefix)`: whether a connection from a host to a2 is made. There one port is for members only, one nobody's."""
    for port in (OPEN, SHUT):
        on("a2").check_output(f"systemd-run --quiet --collect --unit=scenario-{port} python3 -m http.server --directory /mnt {port}")
    row = {"port": str(OPEN), "protocol": "tcp"}

    def apply(host: str) -> None:
        done = converge("common", host, common_open_ports=[*variable(host, "common_open_ports"), {**row, "reach": "members"}],
                        common_members_ports=[*variable(host, "common_members_ports"), row])
        assert done.returncode == 0, done.stdout[-3000:]

    for host in ("a1", "a2"):
        apply(host)

    def reaches(host: str, to: int, prefix: str = "") -> bool:
        return bool(on(host).run(f"{prefix} {CONNECT.format(address=variable('a2', 'common_address'), port=to)}").rc == 0)

    yield reaches
    on("a2").check_output(f"systemctl stop scenario-{OPEN} scenario-{SHUT}")
    assert converge("common", "a1,a2").returncode == 0


def strangers(container: Callable[[str], str]) -> dict[str, tuple[str, str]]:
    """Who is no member, by what they are: the host they are on and how their commands begin."""
    return {"a host outside of the cluster": ("mirror", ""),
            "a container of the host": ("a2", container("a2")), "a container of another host": ("a1", container("a1")),
            "a user of the host": ("a2", NOBODY), "a user of another host": ("a1", NOBODY)}


def test_what_only_members_need_is_closed_to_others(guarded: Callable[..., bool], on: On, converge: Converge,
                                                    container: Callable[[str], str]) -> None:
    who = strangers(container)
    eventually("members reach it", 20, lambda: guarded("a1", OPEN) and guarded("a2", OPEN))
    for whom, (host, prefix) in who.items():
        assert guarded(host, SHUT, prefix), f"{whom} does not reach a port that nobody named"
        assert not guarded(host, OPEN, prefix), f"{whom} reaches a port that only members need"
    assert guarded("mirror", 22), "the operator would be locked out"
    assert not on("a2").service("provisioner-network-rollback.timer").is_running, "the way back was not disarmed"
    # It is the rules that close it, and health says when they are gone; the role brings them back.
    for host in ("a1", "a2"):
        on(host).check_output("nft delete table inet provisioner")
    for whom, (host, prefix) in who.items():
        assert guarded(host, OPEN, prefix), f"something else keeps {whom} out"


#: What a run leaves that is cut off while the host waits for its word.
CUT_OFF = ("systemd-run --quiet --collect --unit=provisioner-network-rollback --on-active=600 systemctl disable --now provisioner-network "
           "&& nft delete table inet provisioner")


@pytest.mark.parametrize("taken", [
    CUT_OFF, pytest.param("nft delete table inet provisioner", marks=pytest.mark.nightly),
    pytest.param("nft flush chain inet provisioner members_only", marks=pytest.mark.nightly),
    pytest.param("systemctl disable --now provisioner-network", marks=pytest.mark.nightly)])
def test_rules_that_were_taken_away_come_back(on: On, converge: Converge, taken: str) -> None:
    on("a2").check_output(taken)
    done = converge("common", "a2")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "saddr @members accept" in on("a2").check_output("nft list table inet provisioner")
    assert on("a2").service("provisioner-network").is_enabled
    assert not on("a2").service("provisioner-network-rollback.timer").is_running, "the rules would go away by themselves"


@pytest.mark.nightly
def test_an_open_cluster_has_no_rules(on: On, converge: Converge) -> None:
    done = converge("common", "a2", common_networks=[], common_open_ports=[], common_members_ports=[], common_probe={"firewall": "off"})
    assert done.returncode == 0, done.stdout[-3000:]
    assert "inet provisioner" not in on("a2").check_output("nft list tables")
    assert not on("a2").file("/etc/provisioner/network.nft").exists
    assert not on("a2").service("provisioner-network").is_enabled
    assert converge("common", "a2").returncode == 0
    assert "inet provisioner" in on("a2").check_output("nft list tables")


def test_an_address_that_the_host_does_not_have_is_named(converge: Converge) -> None:
    done = converge("common", "a1", common_address="198.51.100.7")
    assert done.returncode != 0
    assert "198.51.100.7" in done.stdout
