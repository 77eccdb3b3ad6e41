"""Hosts behind others, with the real ssh: how they are reached, and that whoever does not let us through is named whatever is asked."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UnreachableError
from provisioner.hosts.host_keys import scan
from provisioner.hosts.known_hosts import record
from provisioner.hosts.openssh import OpenSsh, SshError
from provisioner.hosts.remote_process import HostProcess
from provisioner.inventory.connection import normalise
from tests.unit.ssh_servers import SshServer

#: Where nobody is, and whom only the gate knows.
BEHIND = "192.0.2.77"
Ask = Callable[[Host, Cluster], object]


def ask_for_the_key(host: Host, _: Cluster) -> object:
    """What a first contact does."""
    return scan(host)


def run_a_command(host: Host, cluster: Cluster) -> object:
    """What every command does."""
    return OpenSsh(cluster).run(host, "true").code


def hold_a_program(host: Host, cluster: Cluster) -> object:
    """What the keeper of the lock does."""
    process = HostProcess(cluster, host, "true")
    try:
        return process.line(10)
    finally:
        process.close()


ASKED = (ask_for_the_key, run_a_command, hold_a_program)


@pytest.fixture
def behind() -> Iterator[SshServer]:
    server = SshServer().start()
    yield server
    server.stop()


@pytest.fixture
def gate() -> Iterator[SshServer]:
    server = SshServer(jumps={BEHIND: "127.0.0.1"}).start()
    yield server
    server.stop()


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def reached(folder: Path, port: int, arguments: str, shown: SshServer | None = None, gate: int = 0,
            config: str = "") -> tuple[Host, Cluster]:
    """m1 at a port behind the gate, whose key is on file; `ssh.cfg` beside the inventory says where the gate is."""
    (folder / "ssh.cfg").write_text(f"Host gate\n  HostName 127.0.0.1\n  Port {gate}\n  User ops\n{config}")
    variables = normalise({"ansible_ssh_common_args": arguments, "ansible_host": BEHIND, "ansible_port": port}, folder)
    host = Host("m1", BEHIND, port, "deploy", variables=variables)
    cluster = Cluster("test", folder / "inventory.yml", (host,))
    if shown:
        record(cluster, [f"[{BEHIND}]:{port} {shown.key.get_name()} {shown.key.get_base64()}"])
    return host, cluster


TRUSTED = "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n"
WAYS = ("-F ssh.cfg -J gate", "-F ssh.cfg -o ProxyJump=ops@gate", "-F ssh.cfg -o 'ProxyCommand=ssh -F {folder}/ssh.cfg -W %h:%p gate'")


@pytest.mark.parametrize("arguments", WAYS)
def test_a_host_behind_a_jump_host_is_reached(tmp_path: Path, gate: SshServer, behind: SshServer, arguments: str) -> None:
    said = arguments.format(folder=tmp_path)
    host, cluster = reached(tmp_path, behind.port, said, behind, gate.port, TRUSTED)
    assert scan(host).key == behind.key.get_base64()
    assert run_a_command(host, cluster) == 0
    assert behind.logins == 1


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("arguments", WAYS)
def test_a_jump_host_that_is_down_is_named(tmp_path: Path, behind: SshServer, arguments: str, ask: Ask) -> None:
    port = nobody_listens()
    host, cluster = reached(tmp_path, behind.port, arguments.format(folder=tmp_path), behind, port, TRUSTED)
    with pytest.raises(SshError) as error:
        ask(host, cluster)
    assert error.value.where == f"m1 ({BEHIND}, port {behind.port})"
    assert "no connection through " in error.value.message
    assert "gate" in error.value.message
    assert f"ssh: connect to host 127.0.0.1 port {port}: Connection refused" in error.value.message
    assert error.value.hint.startswith("try the way by hand: ")


@pytest.mark.parametrize("ask", ASKED)
def test_a_jump_host_that_reaches_nobody_is_named_with_what_it_says(tmp_path: Path, gate: SshServer, behind: SshServer, ask: Ask) -> None:
    host, cluster = reached(tmp_path, nobody_listens(), "-F ssh.cfg -J gate", behind, gate.port, TRUSTED)
    with pytest.raises(SshError, match=r"no connection through the jump host gate: .*open failed: connect failed"):
        ask(host, cluster)


@pytest.mark.parametrize("ask", ASKED)
def test_a_jump_host_whose_key_nobody_knows_is_named(tmp_path: Path, gate: SshServer, behind: SshServer, ask: Ask) -> None:
    config = "  StrictHostKeyChecking yes\n  UserKnownHostsFile /dev/null\n"
    host, cluster = reached(tmp_path, behind.port, "-F ssh.cfg -J gate", behind, gate.port, config)
    with pytest.raises(SshError, match=r"no connection through the jump host gate: .*Host key verification failed") as error:
        ask(host, cluster)
    assert "log in to the jump host gate once by hand" in error.value.hint


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize(("arguments", "words"), [
    ("-J nowhere.invalid", "through the jump host nowhere.invalid: ssh: Could not resolve hostname nowhere.invalid"),
    ("-J ops@nowhere.invalid:2222,other.invalid", "through the jump hosts ops@nowhere.invalid:2222, other.invalid: "),
    ("-o ProxyCommand='nosuchprogram %h %p'", "through ProxyCommand 'nosuchprogram "),
    ("-o ProxyCommand=false", "through ProxyCommand 'false': it closed the connection without a word"),
])
def test_a_way_that_leads_nowhere_is_named(tmp_path: Path, behind: SshServer, arguments: str, words: str, ask: Ask) -> None:
    host, cluster = reached(tmp_path, behind.port, arguments, behind)
    with pytest.raises(UnreachableError) as error:
        ask(host, cluster)
    assert words in str(error.value)


def test_a_refused_login_behind_a_jump_host_is_the_hosts_own(tmp_path: Path, gate: SshServer) -> None:
    shut = SshServer(refusals=99).start()
    host, cluster = reached(tmp_path, shut.port, "-F ssh.cfg -J gate", shut, gate.port, TRUSTED)
    try:
        with pytest.raises(SshError, match="the host refused the login of deploy"):
            run_a_command(host, cluster)
    finally:
        shut.stop()


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize(("arguments", "said"), [
    ("-o NoSuchOption=1", "Bad configuration option: nosuchoption"), ("-F nofile.cfg", "nofile.cfg: No such file or directory"),
    ("-o ConnectTimeout=never", "invalid time value"), ("-o ProxyCommand=x -J gate", "Cannot specify -J with ProxyCommand"),
])
def test_arguments_that_ssh_refuses_are_named_with_their_variable(tmp_path: Path, arguments: str, said: str, ask: Ask) -> None:
    host, cluster = reached(tmp_path, 2222, arguments)
    with pytest.raises(SshError) as error:
        ask(host, cluster)
    assert (error.value.cause, error.value.hint) == ("configuration", "look at ansible_ssh_common_args of m1")
    assert said in error.value.message
