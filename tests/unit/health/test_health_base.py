"""ZooKeeper's words, DNS packets, the base system and the kernel."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.components.common import health as common
from provisioner.components.dns import health as dns
from provisioner.components.kernel import health as kernel
from provisioner.probe.health import ask
from provisioner.probe.health.answer import UnhealthyError

SRVR = "Zookeeper version: 3.8.0-5a02a05eddb5, built on 2022-02-25 08:49 UTC\nLatency min/avg/max: 0/0.5/3\nZxid: 0x10000002a\nMode: {}\n"
NOT_SERVING = "This ZooKeeper instance is not currently serving requests\n"
REFUSED = "mntr is not executed because it is not in the whitelist.\n"


@pytest.fixture
def member() -> Iterator[Callable[[dict[str, str]], int]]:
    """A ZooKeeper that knows these words; gives its port."""
    sockets: list[socket.socket] = []

    def start(words: dict[str, str]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(words[connection.recv(4).decode()].encode())

        threading.Thread(target=serve, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


Member = Callable[[dict[str, str]], int]
CONF = "clientPort=2181\nserverId=1\nmembership: \n" + "".join(f"server.{n}=198.18.0.{n}:2888:3888:participant\n" for n in (1, 2, 12))


@pytest.mark.parametrize(("words", "members", "state", "leader", "says"), [
    ({"srvr": SRVR.format("follower")}, 3, "ok", False, "follower"),
    ({"srvr": SRVR.format("standalone")}, 1, "ok", True, "serves alone"),
    ({"srvr": SRVR.format("standalone")}, 3, "down", False, "runs alone, although the ensemble has 3 members"),
    ({"srvr": SRVR.format("leader"), "mntr": "zk_synced_followers\t2\n"}, 3, "ok", True, "leader, 2 of 2 followers in sync"),
    ({"srvr": SRVR.format("leader"), "mntr": "zk_synced_followers\t1\n"}, 3, "degraded", True, "leader, 1 of 2 followers"),
    ({"srvr": SRVR.format("leader"), "mntr": REFUSED}, 3, "down", False, "not in the whitelist"),
    ({"srvr": NOT_SERVING}, 3, "down", False, "not currently serving requests"),
    ({"srvr": ""}, 3, "down", False, "ZooKeeper says: nothing"),
])
def test_zookeeper(member: Member, words: dict[str, str], members: int, state: str, leader: bool, says: str) -> None:
    found = ask("zookeeper", {"unit": "zookeeper", "address": "127.0.0.1", "port": member({"conf": CONF, **words}), "members": members})
    assert (found["state"], found["leader"]) == (state, leader) and says in found["detail"]
    if state == "ok":
        assert found["version"] == "3.8.0"
        assert found["facts"]["servers"] == [1, 2, 12]
    if state == "degraded":
        assert found["facts"]["itself"] == "ok" and found["facts"]["synced_followers"] == 1


def test_zookeeper_that_does_not_serve_says_whether_it_holds_data(member: Member, tmp_path: Path) -> None:
    request = {"unit": "zookeeper", "address": "127.0.0.1", "port": member({"srvr": NOT_SERVING}), "members": 3, "log": str(tmp_path)}
    (tmp_path / "version-2").mkdir()
    (tmp_path / "version-2" / "snapshot.0").write_text("written by every start")
    assert ask("zookeeper", request)["facts"]["written"] is False
    (tmp_path / "version-2" / "log.100000001").write_text("")
    assert ask("zookeeper", request)["facts"]["written"] is True


def reply(question: bytes, code: int = 0, data: bytes = socket.inet_aton("198.18.0.11")) -> bytes:
    kind = question[-4:]
    header = question[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, 1 if data else 0, 0, 0)
    answer = b"\xc0\x0c" + kind + struct.pack("!IH", 0, len(data)) + data
    return header + question[12:] + (answer if data else b"")


@pytest.fixture
def resolver() -> Iterator[Callable[..., int]]:
    """A DNS server that answers every question like this, and its version; gives its port."""
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    channel.bind(("127.0.0.1", 0))

    def start(**how: object) -> int:
        def serve() -> None:
            while True:
                question, who = channel.recvfrom(512)
                if not question:
                    channel.close()
                    return
                chaos = question[-2:] == b"\0\3"
                channel.sendto(reply(question, data=b"\x0cdnsmasq-2.89") if chaos else reply(question, **how), who)  # type: ignore[arg-type]

        threading.Thread(target=serve, daemon=True).start()
        return int(channel.getsockname()[1])

    yield start
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
        last.sendto(b"", channel.getsockname())


@pytest.mark.parametrize(("how", "conf", "state", "says"), [
    ({}, "search x\nnameserver 127.0.0.1\n", "ok", "consul.service.consul is 198.18.0.11"),
    ({}, "nameserver 9.9.9.9\n", "degraded", "resolv.conf asks 9.9.9.9 first"),
    ({}, "", "degraded", "resolv.conf asks nobody first"),
    ({"data": b""}, "nameserver 127.0.0.1\n", "down", "without an address"),
    ({"code": 3}, "nameserver 127.0.0.1\n", "down", "no such name"),
])
def test_dns(resolver: Callable[..., int], how: dict[str, object], conf: str, state: str, says: str, tmp_path: Path,
             monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(conf)
    monkeypatch.setattr(dns, "RESOLV_CONF", file)
    found = ask("dns", {"unit": "dnsmasq", "address": "127.0.0.1", "port": resolver(**how), "domain": "consul"})
    assert found["state"] == state and says in found["detail"]
    if state == "ok":
        assert found["version"] == "2.89"


def test_dns_answers_of_others_and_nonsense_are_refused() -> None:
    with pytest.raises(UnhealthyError, match="another question"):
        dns.decode(struct.pack("!HHHHHH", 7, 0x8180, 0, 0, 0, 0), 8, dns.A)
    with pytest.raises(UnhealthyError, match="does not answer"):
        dns.lookup(("127.0.0.1", 1), "x")


@pytest.mark.parametrize(("wanted", "active", "state"), [
    ("off", "", "ok"), ("off", "ufw", "degraded"), ("managed", "", "down"), ("managed", "firewalld", "ok"), ("keep", "ufw", "ok"),
])
def test_firewall_is_as_asked(units: dict[str, dict[str, str]], wanted: str, active: str, state: str) -> None:
    if active:
        units[active] = {"ActiveState": "active"}
    assert ask("common", {"firewall": wanted})["state"] == state


def test_network_rules_are_as_they_were_loaded(units: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table, rules, loaded = (tmp_path / name for name in ("table", "rules", "loaded"))
    table.write_text("table inet provisioner {\n}\n")
    rules.write_text("one rule")
    loaded.write_text(hashlib.sha256(b"one ruletable inet provisioner {\n}\n").hexdigest() + "  -\n")
    tool = tmp_path / "nft"
    tool.write_text(f"#!/bin/sh\n[ \"$*\" = '-s list table inet provisioner' ] && cat {table}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(common, "RULES", common.RULES.replace("/etc/provisioner/network.nft", str(rules))
                        .replace("/run/provisioner-network", str(loaded)))

    def state() -> str:
        return str(ask("common", {"firewall": "off", "network": True})["state"])

    assert state() == "ok"
    for changed in (table, rules, loaded):
        before = changed.read_text()
        changed.write_text("")
        assert state() == "degraded", changed.name
        changed.write_text(before)
    table.unlink()
    assert state() == "degraded", "there is no table"
    assert ask("common", {"firewall": "off"})["state"] == "ok", "nobody wants one"


def test_repository_files_must_be_there(tmp_path: Path) -> None:
    there = tmp_path / "site.list"
    there.touch()
    assert ask("repos", {"files": [str(there)]})["state"] == "ok"
    assert ask("repos", {"files": [str(there), str(tmp_path / "gone")]})["detail"] == f"{tmp_path / 'gone'} is missing"


def test_kernel_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel, "ATTEMPTS", (("overlayfs", ("true",)), ("vxlan", ("sh", "-c", "echo Operation not supported; exit 2"))))
    monkeypatch.setattr(kernel, "BRIDGE", tmp_path / "none")
    found = ask("kernel", {"overlay": True})
    assert found["detail"] == "the kernel lacks vxlan (Operation not supported), br_netfilter (not loaded)"
    assert ask("kernel", {"overlay": False})["state"] == "ok"


@pytest.mark.parametrize(("note", "says"), [("installed in boot {boot}", {"reboot": "pending"}), ("installed in boot 0-1", {}), ("", {})])
def test_kernel_says_that_a_reboot_is_asked_for_in_this_boot(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path, note: str, says: dict[str, str]) -> None:
    monkeypatch.setattr(kernel, "NOTE", tmp_path / "note")
    if note:
        kernel.NOTE.write_text(note.format(boot=kernel.BOOT.read_text().strip()))
    assert ask("kernel", {"overlay": False})["facts"] == says
    monkeypatch.setattr(kernel, "ATTEMPTS", (("vxlan", ("false",)),))
    assert ask("kernel", {"overlay": True})["facts"] == says
