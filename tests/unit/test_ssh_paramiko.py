"""SSH by paramiko where it can't go on: who is given up, who is told, what is left to ssh. How it goes on: tests/lab/test_ways_in.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.context import FEWEST, Context
from provisioner.hosts import login
from provisioner.hosts.known_hosts import record
from provisioner.hosts.openssh import Completed, OpenSsh, SshError, fan_out
from provisioner.hosts.paramiko import Paramiko
from provisioner_lab.testing import FakeTransport
from tests.unit.ssh_servers import SshServer

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIA" + "A" * 42
OTHERS = ("h1", "h2", "h3", "h4")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    made = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(made))
    return made


@pytest.fixture
def frozen() -> Iterator[SshServer]:
    server = SshServer(silent=True).start()
    yield server
    server.stop()


def reached_at(port: int, key: Path, shown: paramiko.PKey | None = None, **more: object) -> Cluster:
    """`far` at a port of this machine, with a recorded host key (none of its own: any), and others that only ssh can enter."""
    variables = {"ansible_ssh_private_key_file": str(key), **more}
    far = Host("far", "127.0.0.1", port, "deploy", variables=variables)
    found = Cluster("test", key.parent / "inventory.yml", (far, *(Host(name, "192.0.2.1", 22) for name in OTHERS)))
    shown = shown or paramiko.ECDSAKey.generate()
    record(found, [f"[127.0.0.1]:{port} {shown.get_name()} {shown.get_base64()}"])
    return found


def test_a_host_that_freezes_is_given_up_and_not_tried_again(key: Path, frozen: SshServer) -> None:
    of, ssh = reached_at(frozen.port, key), FakeTransport()
    transport, began = Paramiko(of, {"far"}, ssh), time.monotonic()
    answers = fan_out(of.hosts, lambda host: transport.run(host, "true").code, patience=0.5)
    assert str(answers.pop("far")).startswith("far: no answer 0.5 s after the others")
    assert answers == dict.fromkeys(OTHERS, 0)
    assert {call.host for call in ssh.calls} == {*OTHERS}
    assert time.monotonic() - began < 5


def test_a_host_that_stays_silent_is_waited_for_once(key: Path, frozen: SshServer) -> None:
    of = reached_at(frozen.port, key, ansible_ssh_timeout=1)
    with pytest.raises(SshError) as error:
        Paramiko(of, {"far"}, FakeTransport({"far": AssertionError("tried again")})).run(of.hosts[0], "true")
    assert (error.value.cause, error.value.where) == ("timeout", f"far (127.0.0.1, port {frozen.port})")


@pytest.mark.parametrize("case", ["nobody listens", "another host key", "a key with a passphrase"])
def test_what_can_not_be_begun_is_left_to_ssh(key: Path, case: str) -> None:
    server = SshServer()
    if case != "nobody listens":
        server.start()
    if case == "a key with a passphrase":
        paramiko.ECDSAKey.generate().write_private_key_file(str(key), password="secret")
    of, by_ssh = reached_at(server.port, key), Completed(3, b"by ssh", b"", 0.1)
    try:
        assert Paramiko(of, {"far"}, FakeTransport({"far": by_ssh})).run(of.hosts[0], "true") == by_ssh
        assert server.logins == 0
    finally:
        server.stop()


def test_a_question_that_breaks_off_is_asked_again_by_ssh(key: Path) -> None:
    server, by_ssh = SshServer(breaks=True).start(), Completed(3, b"by ssh", b"", 0.1)
    of = reached_at(server.port, key, server.key)
    try:
        assert Paramiko(of, {"far"}, FakeTransport({"far": by_ssh})).run(of.hosts[0], "true") == by_ssh
        assert server.logins == 1
    finally:
        server.stop()


def test_many_plain_hosts_are_asked_by_paramiko_where_no_connection_is_open(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def way(hosts: int, *, connected: bool = False) -> type:
        variables = {"ansible_ssh_private_key_file": str(key)}
        path, names = key.parent / "inventory.yml", [f"192.0.2.{number}" for number in range(1, hosts + 1)]
        found = Cluster("test", path, tuple(Host(name, name, 22, variables=variables) for name in names))
        record(found, [f"{name} ssh-ed25519 {KEY}" for name in names])
        monkeypatch.setattr(login, "any_open", lambda _: connected)
        return type(Context(path, cluster=found).one_question)

    assert way(FEWEST - 1) is OpenSsh
    assert way(FEWEST) is Paramiko
    assert way(FEWEST, connected=True) is OpenSsh
