"""Names of Consul and ordinary names both resolve, through the resolver that every program uses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from tests.lab.support.checkout import ClusterUnderTest, eventually

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]
#: Asks one name server for the addresses of consul.service.consul, as a container would, and prints how many it gives (RFC 1035, 4.1).
ASK = """
import socket, struct
name = b"".join(bytes([len(part)]) + part for part in (b"consul", b"service", b"consul")) + bytes(1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(5)
    asking.sendto(struct.pack(">6H", 7, 256, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1), ("{address}", 53))
    print(struct.unpack(">6H", asking.recv(512)[:12])[3])
"""


def addresses(host: Any, name: str) -> set[str]:
    """What a program on this host gets for a name."""
    return {line.split()[0] for line in host.run(f"getent ahostsv4 {name}").stdout.splitlines()}


def test_the_clusters_names_resolve_on_every_host(on: On, members: Members) -> None:
    servers = set(members("consul_server").values())
    for host in members("dns"):
        found = addresses(on(host), "consul.service.consul")
        assert found, f"{host} knows no consul.service.consul"
        assert found <= servers, f"{host} takes {found} for the servers {servers}"


def test_every_host_is_known_by_its_short_name_to_every_other(on: On, members: Members) -> None:
    """The lab's own name server would answer for them, too, but by the short name."""
    everybody = members("dns")
    for host in everybody.keys() - members("marathon").keys():
        for name in everybody.keys() - {host, *members("zookeeper")}:
            first = on(host).check_output(f"getent ahostsv4 {name}").splitlines()[0].split()
            assert (first[0], first[-1]) == (everybody[name], f"{name}.node.consul"), f"{host} finds {first}"


def test_ordinary_names_still_resolve(on: On, members: Members) -> None:
    """The lab's mirror is in no file: only the name server that the hosts had before knows it."""
    upstream = members("dns")["m1"].rsplit(".", 1)[0] + ".2"
    for host in members("dns"):
        assert addresses(on(host), "mirror") == {upstream}, f"{host} lost the names of its own name server"


def test_a_resolver_file_that_was_emptied_costs_no_name_server(
        cluster: ClusterUnderTest, converge: Converge, on: On, members: Members) -> None:
    """What was kept of the name servers from before is all that still tells of them."""
    cluster.host("a2").run(": >/etc/resolv.conf")
    done = converge("dns", "a2")
    assert done.returncode == 0, done.stdout
    assert addresses(on("a2"), "mirror") == {members("dns")["m1"].rsplit(".", 1)[0] + ".2"}


def test_a_name_that_consul_learns_is_known_everywhere(on: On, variable: Callable[[str, str], Any]) -> None:
    consul = f"CONSUL_HTTP_TOKEN={variable('a1', 'vault_consul_registrator_token')} consul"
    on("a1").check_output(f"{consul} services register -name=molecule -address=198.51.100.9")
    try:
        eventually("the new name resolves on another host", 30,
                   lambda: "198.51.100.9" in addresses(on("m2"), "molecule.service.consul"))
    finally:
        on("a1").check_output(f"{consul} services deregister -id=molecule")


def test_the_hosts_own_containers_can_ask_too_and_nobody_else(on: On, members: Members, container: Callable[[str], str]) -> None:
    """Docker gives them this host's address as their name server."""
    ask = f"python3 -c '{ASK.format(address=members('dns')['a1'])}'"
    asked = on("a1").run(f"{container('a1')} {ask}")
    assert asked.stdout.strip() not in ("", "0"), f"a1 gives its containers no answer: {asked.stderr[-500:]}"
    others = {"another host": ("a2", ""), "a container of another host": ("a2", container("a2")), "a stranger": ("mirror", "")}
    for who, (host, prefix) in others.items():
        assert on(host).run(f"{prefix} {ask}").stdout.strip() == "", f"a1 answers {who}"
    on("a1").check_output("nft insert rule inet provisioner containers_only accept")
    try:
        for who, (host, prefix) in others.items():
            assert on(host).run(f"{prefix} {ask}").stdout.strip() not in ("", "0"), f"something else keeps {who} out"
    finally:
        on("a1").check_output("systemctl reload provisioner-network")


def test_the_resolver_comes_back_after_a_crash(on: On) -> None:
    host = on("a2")
    host.check_output("systemctl kill --signal=KILL dnsmasq")
    eventually("names resolve again", 30, lambda: bool(addresses(host, "consul.service.consul")))


def test_a_line_that_dnsmasq_refuses_never_goes_live(on: On, converge: Converge) -> None:
    before = on("a2").check_output("systemctl show -p MainPID --value dnsmasq")
    done = converge("dns", "a2", dns_extra_lines=["no-such-option"])
    assert done.returncode != 0, "the role passed with a line that dnsmasq does not know"
    assert "no-such-option" in done.stdout or "bad option" in done.stdout, f"nothing names the line:\n{done.stdout[-2000:]}"
    assert on("a2").check_output("systemctl show -p MainPID --value dnsmasq") == before, "the running resolver was restarted all the same"
    assert addresses(on("a2"), "consul.service.consul")


def test_a_changed_setting_reaches_the_running_resolver(on: On, converge: Converge) -> None:
    try:
        done = converge("dns", "a2", dns_extra_lines=["address=/scenario.example/198.51.100.10"])
        assert done.returncode == 0, done.stdout[-3000:]
        assert addresses(on("a2"), "scenario.example") == {"198.51.100.10"}, "dnsmasq was not restarted with its new settings"
    finally:
        assert converge("dns", "a2").returncode == 0
    assert not addresses(on("a2"), "scenario.example")
