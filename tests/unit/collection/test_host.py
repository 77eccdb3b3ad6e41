"""What several modules see of a host: real sockets, files and programs of this machine."""

from __future__ import annotations

import grp
import os
import pwd
import socket
from pathlib import Path

import pytest
from ansible_collections.provisioner.core.plugins.filter.service import listen_problems
from ansible_collections.provisioner.core.plugins.module_utils import host
from ansible_collections.provisioner.core.plugins.module_utils.host import Listener


def test_where_a_program_cannot_listen() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wanted = [Listener("127.0.0.1", port), *(Listener("192.0.2.1", each) for each in (1, 2)), Listener("", 3), Listener("127.0.0.1", 0)]
        assert host.refused(wanted) == (["192.0.2.1"], [{"address": "127.0.0.1", "port": port}])
    assert host.refused([Listener("127.0.0.1", port)]) == ([], []), "what lingers is no obstacle"


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_is_taken_for_one_protocol(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        port = other.getsockname()[1]
        both = [Listener("127.0.0.1", port, each) for each in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        assert host.refused(both)[1] == [{"address": "127.0.0.1", "port": port}]


def test_a_unit_of_ours_may_hold_its_ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "consul.service").touch()
    monkeypatch.setattr(host, "UNITS", str(tmp_path))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        listener = Listener("127.0.0.1", other.getsockname()[1])
        monkeypatch.setattr(host, "running", lambda *units: [])
        stopped = host.service("consul", [listener])
        monkeypatch.setattr(host, "running", lambda *units: list(units))
        runs = host.service("consul", [listener])
    assert (stopped["unit"], stopped["running"], len(stopped["taken"])) == (True, False, 1)
    assert (runs["unit"], runs["running"], runs["taken"]) == (True, True, [])
    assert host.service("other")["unit"] is False


def test_the_units_that_run_are_told_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "printed", lambda *command: "active\ninactive\nactive")
    assert host.running("a", "b", "c") == ["a", "c"]


def test_a_program_that_is_not_installed_says_nothing() -> None:
    assert (host.printed("no-such-program"), host.works("no-such-program")) == ("", False)
    assert (host.printed("sh", "-c", "echo said; exit 1"), host.works("false"), host.works("true")) == ("said", False, True)


def test_what_is_guarded(tmp_path: Path) -> None:
    file, own = tmp_path / "file", pwd.getpwuid(os.geteuid()).pw_name
    group = grp.getgrgid(os.getegid()).gr_name
    file.touch()
    file.chmod(0o640)
    os.chown(file, os.geteuid(), os.getegid())
    assert host.guarded(file, 0o640, own, group)
    assert not host.guarded(file, 0o644, own, group)
    assert not host.guarded(file, 0o640, own, group, folder=True)
    assert not host.guarded(file, 0o640, "nobody", group)
    assert not host.guarded(file, 0o640, own, "no-such-group")
    assert not host.guarded(tmp_path / "gone", 0o640, own, group)


def test_why_a_program_cannot_listen_is_said_with_the_variables_to_change() -> None:
    taken = [{"address": "10.0.0.1", "port": 53}, {"address": "127.0.0.1", "port": 53}]
    assert listen_problems({"absent": [], "taken": []}, "X", "x_address") == []
    assert listen_problems({"absent": ["10.0.0.9"]}, "", "common_address") == [
        "This host does not have the address 10.0.0.9: correct common_address."]
    assert listen_problems({"absent": [], "taken": taken}, "dnsmasq", "dns_address") == [
        "Port 53 of 10.0.0.1, 53 of 127.0.0.1 is held by another program than dnsmasq: see `ss -lpn`, stop it, run again."]
    assert "stop it or change x_port, run again" in listen_problems({"absent": [], "taken": taken}, "X", "x_address", "x_port")[0]
