"""What single modules make of a host: names, keys, kernel, resolver, ZooKeeper's number, Consul's state."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.modules import (
    common_info,
    consul_info,
    dns_info,
    kernel_info,
    logstash_info,
    repos_info,
    service_info,
    zookeeper_info,
)

# Names ---------------------------------------------------------------------------------------------------------------

HOSTS = [{"name": "m1", "address": "10.0.0.1"}, {"name": "a1", "address": "10.0.0.2"}]
DEBIAN = "127.0.0.1 localhost\n127.0.1.1 m1 box # its own\n\n::1 ip6-localhost\n"


def test_every_host_finds_every_host_and_itself_by_its_address_in_the_cluster() -> None:
    text = common_info.wanted_hosts(DEBIAN, "10.0.0.1", HOSTS, "box")
    assert text.splitlines() == ["127.0.0.1 localhost", "", "::1 ip6-localhost", common_info.BEGIN, "10.0.0.1 m1 box", "10.0.0.2 a1",
                                 common_info.END]
    assert common_info.wanted_hosts(text, "10.0.0.1", HOSTS, "box") == text, "nothing is to be done twice"


def test_what_others_wrote_stays() -> None:
    text = common_info.wanted_hosts("10.9.9.9 other m1 # by hand\n", "10.0.0.1", HOSTS, "m1")
    assert text.startswith("10.9.9.9 other # by hand\n")


@pytest.mark.parametrize(("own_name", "block"), [("box", ["10.0.0.1 box"]), ("localhost", [])])
def test_localhost_stays_what_every_machine_calls_itself(own_name: str, block: list[str]) -> None:
    text = common_info.wanted_hosts(DEBIAN, "10.0.0.1", [{"name": "localhost", "address": "10.0.0.1"}], own_name)
    lines = text.splitlines()
    assert lines[0] == "127.0.0.1 localhost"
    assert lines[lines.index(common_info.BEGIN) + 1: lines.index(common_info.END)] == block


def test_without_hosts_our_block_goes_and_the_host_keeps_a_name() -> None:
    ours = common_info.wanted_hosts(DEBIAN, "10.0.0.1", HOSTS, "m1")
    left = common_info.wanted_hosts(ours, "", [], "m1").splitlines()
    assert (common_info.BEGIN in left, left[-1]) == (False, "127.0.1.1 m1")
    assert "127.0.1.1 m1" not in common_info.wanted_hosts("10.1.1.1 m1\n", "", [], "m1")


def test_only_settings_that_can_be_written_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in (("net.core.somaxconn", "128"), ("vm.swappiness", "60")):
        path = tmp_path / key.replace(".", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    monkeypatch.setattr(common_info, "setting", lambda key: tmp_path / key.replace(".", "/"))
    wanted = {"net.core.somaxconn": 128, "vm.swappiness": 1, "fs.no.such": 1}
    assert common_info.sysctl(wanted, "") == ({"net.core.somaxconn": 128, "vm.swappiness": 1}, True)
    assert common_info.sysctl(wanted, "docker") == ({"net.core.somaxconn": 128}, False)


# Keys ----------------------------------------------------------------------------------------------------------------

BODY = b"\x04" + bytes(20)
FINGERPRINT = hashlib.sha1(b"\x99" + len(BODY).to_bytes(2, "big") + BODY).hexdigest().upper()  # noqa: S324 - RFC 9580
OTHER_BODY = b"\x04" + bytes(range(20))


def packet(kind: int, body: bytes) -> bytes:
    return bytes([0xC0 | kind, len(body)]) + body


KEY = packet(repos_info.PUBLIC_KEY, BODY) + packet(repos_info.USER_ID, b"vendor") + packet(repos_info.SIGNATURE, b"s")
OTHER = packet(repos_info.PUBLIC_KEY, OTHER_BODY) + packet(repos_info.USER_ID, b"guest")
REPOSITORY = {"name": "vendor", "key_url": "http://repo.invalid/key", "key_fingerprint": FINGERPRINT}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What is served at a URL."""
    pages: dict[str, bytes] = {}

    def fetch(url: str) -> bytes:
        if url not in pages:
            raise OSError("Connection refused")
        return pages[url]

    monkeypatch.setattr(repos_info, "fetch", fetch)
    monkeypatch.setattr(repos_info, "guarded", lambda path, mode: path.stat().st_mode & 0o777 == mode)
    return pages


ARMOURED = repos_info.armoured(KEY + OTHER)


@pytest.mark.parametrize("data", [KEY + OTHER, ARMOURED.encode(), ARMOURED.replace("\n", "\r\n").encode()])
def test_only_the_expected_key_of_a_file_is_taken_over(served: dict[str, bytes], tmp_path: Path, data: bytes) -> None:
    served[REPOSITORY["key_url"]] = data
    path = tmp_path / "key.asc"
    text, problem = repos_info.key_of(REPOSITORY, str(path), False)
    assert (problem, repos_info.keys_in(text.encode())) == ("", {FINGERPRINT: KEY})
    path.write_text(text)
    path.chmod(0o644)
    served.clear()
    assert repos_info.key_of(REPOSITORY, str(path), False) == ("", ""), "what is there is not fetched again"
    path.chmod(0o666)
    assert repos_info.key_of(REPOSITORY, str(path), False) == (text, ""), "written to by others"
    path.write_text(text + "\n")
    assert "cannot be taken" in repos_info.key_of(REPOSITORY, str(path), False)[1]


@pytest.mark.parametrize(("change", "page", "sentence"), [
    ({}, OTHER, "not the expected one, so it was not trusted"), ({}, b"<html>", "expected .*, served none"), ({}, KEY[:5], "cut off"),
    ({"key_fingerprint": "AB12"}, KEY, "must be the whole fingerprint"), ({"name": "a/b"}, KEY, "must consist of"),
])
def test_what_is_not_trusted(served: dict[str, bytes], tmp_path: Path, change: dict[str, str], page: bytes, sentence: str) -> None:
    served[REPOSITORY["key_url"]] = page
    text, problem = repos_info.key_of({**REPOSITORY, **change}, str(tmp_path / "key.asc"), False)
    assert text == "" and re.search(sentence, problem)


def test_armour_is_what_others_read() -> None:
    lines = repos_info.armoured(b"key").splitlines()
    assert lines[2] == base64.b64encode(b"key").decode()
    assert (lines[0], lines[-1], lines[3][0], len(lines[3])) == (repos_info.BEGIN, repos_info.END, "=", 5)


def test_lists_are_stale_when_others_are_served(served: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repos_info, "LISTS", f"{tmp_path}/")
    asked = {"uri": "http://user@repo.invalid/debian/", "suite": "bookworm"}
    url = "http://user@repo.invalid/debian/dists/bookworm/InRelease"
    assert repos_info.is_stale(asked), "unreachable"
    served[url] = b"now"
    assert repos_info.is_stale(asked)
    (tmp_path / "repo.invalid_debian_dists_bookworm_InRelease").write_bytes(b"now")
    assert not repos_info.is_stale(asked)
    assert repos_info.damaged() == [f"{tmp_path}/repo.invalid_debian_dists_bookworm_InRelease"]


# Kernel, resolver, programs ------------------------------------------------------------------------------------------


def test_a_reboot_is_pending_in_the_boot_that_asked_for_it(tmp_path: Path) -> None:
    marker = tmp_path / "reboot-required"
    asked = {"modules": [], "sysctl": {}, "marker": str(marker)}
    boot = kernel_info.look(asked)["boot"]
    assert kernel_info.look(asked)["reboot"] == ""
    marker.write_text(f"in boot {boot}")
    assert kernel_info.look(asked)["reboot"] == "pending"
    marker.write_text("in boot 0")
    assert kernel_info.look(asked)["reboot"] == "done"


def test_a_setting_that_comes_with_its_module_does_not_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").write_text("0\n")
    monkeypatch.setattr(kernel_info, "setting", lambda key: tmp_path / key)
    assert kernel_info.differs({"there": 1}) and not kernel_info.differs({"there": 0, "gone": 1})


def test_who_feeds_the_resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolv, stub = tmp_path / "resolv.conf", tmp_path / "resolve/stub.conf"
    stub.parent.mkdir()
    stub.write_text("nameserver 192.0.2.53\n")
    monkeypatch.setattr(dns_info, "RESOLV", resolv)
    monkeypatch.setattr(dns_info, "RESOLVED", str(tmp_path / "resolve"))
    runs = ["systemd-resolved"]
    monkeypatch.setattr(dns_info, "running", lambda unit: [unit] if unit in runs else [])
    asked = {"kept": str(tmp_path / "kept"), "address": ""}
    assert (dns_info.look(asked)["manager"], dns_info.look(asked)["content"]) == ("file", "")
    resolv.symlink_to(stub)
    found = dns_info.look(asked)
    assert (found["manager"], found["link"], found["content"]) == ("resolved", str(stub), "nameserver 192.0.2.53\n")
    runs.clear()
    assert dns_info.look(asked)["manager"] == "file"


@pytest.mark.parametrize(("text", "number"), [("3\n", "3"), ("replace this text with the cluster-unique number\n", ""), (None, "")])
def test_the_number_of_a_member(tmp_path: Path, text: str | None, number: str) -> None:
    if text is not None:
        (tmp_path / "myid").write_text(text)
    assert zookeeper_info.number(tmp_path) == number


@pytest.mark.parametrize(("text", "servers"), [('{"bootstrap_expect": 3}', 3), ("{", 0), ("[]", 0), (None, 0)])
def test_how_many_servers_found_consul(tmp_path: Path, text: str | None, servers: int) -> None:
    path = tmp_path / "bootstrap.json"
    if text is not None:
        path.write_text(text)
    assert consul_info.expected(path) == servers


def test_an_agent_that_runs_knows_whether_its_servers_have_voted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peers, raft = tmp_path / "peers", tmp_path / "raft"
    monkeypatch.setattr(consul_info, "PEERS", peers.as_uri())
    assert consul_info.voting(False, raft) is False
    assert consul_info.voting(True, raft) is True, "no answer: better not founded again"
    peers.write_text("[]")
    raft.mkdir()
    assert (consul_info.voting(True, raft), consul_info.voting(False, raft)) == (False, True)


@pytest.mark.parametrize(("script", "expected"), [
    ("exit 0", ("", True)), ('[ "$1" = version ]', ("", False)), ("echo no daemon >&2; exit 1", ("no daemon", False)),
    ("exit 1", ("no reason given", False)),
])
def test_why_docker_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: tuple[str, bool]) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = service_info.look({"unit": "marathon", "image": "marathon:1", "listeners": []})
    assert (found["docker"], found["image"]) == expected
    asked: dict[str, Any] = {"unit": "marathon", "image": "", "listeners": []}
    assert service_info.look(asked)["docker"] == ""


def test_ssh_is_found_by_the_connection_or_assumed() -> None:
    assert all(port.isdigit() for port in common_info.ssh_ports())


def test_without_a_connection_the_ports_of_every_ssh_server_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the machine that the driver runs on, below a program with connections of its own."""
    monkeypatch.setattr(common_info, "ancestors", lambda: [os.getpid()])
    (tmp_path / "sshd").symlink_to("/usr/bin/python3")
    listens = "import socket; s = socket.create_server(('127.0.0.2', 0)); print(s.getsockname()[1], flush=True); input()"
    with socket.create_server(("127.0.0.2", 0)) as own, subprocess.Popen(
            [tmp_path / "sshd", "-c", listens], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port, found = server.stdout.readline().strip(), common_info.ssh_ports()
        assert port in found
        assert str(own.getsockname()[1]) not in found
        server.communicate("\n")


def test_logstash_is_told_by_which_certificate_the_host_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logstash_info, "TLS", tmp_path)
    (tmp_path / "ca.pem").write_text("whom it trusts")
    found = logstash_info.look({"listeners": [], "spool": "/", "data": "/var/lib/x", "output": "/var/log/x"})["certificate"]
    assert found == {"certificate": "", "ca": hashlib.sha256(b"whom it trusts").hexdigest()}
