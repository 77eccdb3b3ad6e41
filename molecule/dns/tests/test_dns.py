"""Names of Consul and ordinary names both resolve, through the resolver that every program uses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from tests.cluster_under_test import eventually

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]


def test_the_clusters_names_resolve_on_every_host(on: On, members: Members) -> None:
    servers = set(members("consul_server").values())
    for host in members("dns"):
        found = set(on(host).check_output("getent ahostsv4 consul.service.consul | cut -d' ' -f1").split())
        assert found, f"{host} knows no consul.service.consul"
        assert found <= servers


def test_ordinary_names_still_resolve(on: On, members: Members) -> None:
    upstream = members("dns")["m1"].rsplit(".", 1)[0] + ".2"
    for host in members("dns"):
        assert on(host).check_output("getent ahostsv4 mirror").split()[0] == upstream, f"{host} lost the names of its own name server"


def test_a_name_that_consul_learns_is_known_everywhere(on: On) -> None:
    on("a1").check_output("consul services register -name=molecule -address=198.51.100.9")
    try:
        eventually("the new name resolves on another host", 30,
                   lambda: "198.51.100.9" in str(on("m2").run("getent ahostsv4 molecule.service.consul").stdout))
    finally:
        on("a1").check_output("consul services deregister -id=molecule")


def test_containers_can_ask_too(on: On, members: Members) -> None:
    """Docker gives them this host's address as their name server."""
    address = members("dns")["a1"]
    asked = on("a2").check_output("python3 - <<'EOF'\nimport socket, struct\n"
                                  "name = b''.join(bytes([len(p)]) + p for p in (b'consul', b'service', b'consul')) + b'\\0'\n"
                                  "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)\n"
                                  f"s.sendto(struct.pack('>6H', 7, 256, 1, 0, 0, 0) + name + struct.pack('>2H', 1, 1), ('{address}', 53))\n"
                                  "print(struct.unpack('>6H', s.recv(512)[:12])[3])\nEOF")
    assert int(asked) > 0, f"{address} gives no answer to others than itself"


def test_a_line_that_dnsmasq_refuses_never_goes_live(on: On, converge: Converge) -> None:
    before = on("a2").check_output("systemctl show -p MainPID --value dnsmasq")
    done = converge("dns", "a2", dns_extra_lines=["no-such-option"])
    assert done.returncode != 0
    assert "no-such-option" in done.stdout or "bad option" in done.stdout
    assert on("a2").check_output("systemctl show -p MainPID --value dnsmasq") == before
    on("a2").check_output("getent ahostsv4 consul.service.consul")
