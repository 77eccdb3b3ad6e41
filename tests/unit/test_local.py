"""The machine that the driver runs on as the only host of its cluster: really run, without SSH."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.context import Context
from provisioner.errors import InventoryError, UnreachableError
from provisioner.hosts import local
from provisioner.hosts.host_keys import all_known, establish
from provisioner.hosts.local import Local
from provisioner.hosts.process import kill_all
from provisioner.hosts.remote_process import HostProcess
from provisioner.inventory import addresses
from provisioner.observe.probe_client import ask
from provisioner.state import ledger
from tests.unit.builders import load_text, refusal

LOCALHOST = "masters:\n  hosts:\n    localhost: {ansible_connection: local}\nagents:\n  hosts:\n    localhost:\n"
#: Elsewhere sudo may ask for a password, which nobody could give.
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of this machine, whether or not it has one."""
    monkeypatch.setattr(addresses, "own_address", lambda: "198.51.100.7")
    yield "198.51.100.7"


def this(folder: Path, **variables: object) -> tuple[Cluster, Host]:
    host = Host("localhost", "localhost", variables={"ansible_connection": "local", "cluster_address": "198.51.100.7", **variables})
    return Cluster("one", folder / "inventory.yml", (host,)), host


def test_a_command_runs_as_after_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/of/the/driver")
    monkeypatch.setenv("PYTHONPATH", "/of/the/driver")
    monkeypatch.chdir(tmp_path)
    _cluster, host = this(tmp_path)
    done = Local().run(host, "cat; pwd; echo ${PYTHONPATH-}${VIRTUAL_ENV-}; command -v python3; echo err >&2; exit 7", b"in\n")
    home = pwd.getpwuid(os.geteuid()).pw_dir
    assert (done.code, done.stdout.decode().splitlines(), done.stderr) == (7, ["in", home, "", "/usr/bin/python3"], b"err\n")
    assert sys.executable != "/usr/bin/python3"


def test_lines_come_as_they_are_printed(tmp_path: Path) -> None:
    _cluster, host = this(tmp_path)
    lines: list[bytes] = []
    Local().run(host, "echo one; echo two >&2", line=lines.append)
    assert sorted(lines) == [b"one", b"two"]


def test_a_time_out_is_told_like_any_other(tmp_path: Path) -> None:
    _cluster, host = this(tmp_path)
    with pytest.raises(UnreachableError, match="no end of the command within 0 s") as error:
        Local().run(host, "sleep 20", timeout=0.3)
    assert error.value.where == "localhost"


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    _cluster, host = this(tmp_path)
    threading.Timer(0.5, kill_all).start()
    began = time.monotonic()
    assert Local().run(host, "sleep 20").code == -9
    assert time.monotonic() - began < 10


@ROOT
def test_root_needs_no_sudo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sh", "id"):  # a machine without sudo
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setattr(local, "PATH", str(tmp_path))
    _cluster, host = this(tmp_path)
    done = Local().run(host, "id -u; command -v sudo", become=True)
    assert (done.stdout, done.code) == (b"0\n", 127)


@ROOT
def test_the_probe_answers(tmp_path: Path) -> None:
    _cluster, host = this(tmp_path)
    answer = ask(Local(), host, {"sections": ["facts"]})
    assert answer.facts["hostname"] == socket.gethostname()


@ROOT
def test_a_lasting_program(tmp_path: Path) -> None:
    cluster, host = this(tmp_path)
    process = HostProcess(cluster, host, "while read -r line; do echo \"$line $(id -u)\"; done")
    process.send("a")
    assert process.line(10) == "a 0"
    assert process.alive()
    process.close()
    assert not process.alive()


@ROOT
def test_a_program_that_ends_says_why(tmp_path: Path) -> None:
    cluster, host = this(tmp_path)
    process = HostProcess(cluster, host, "echo no such device >&2; exit 1")
    with pytest.raises(UnreachableError, match="no such device"):
        process.line(10)
    process.close()


def test_nobody_asks_for_its_host_key(tmp_path: Path) -> None:
    cluster, _ = this(tmp_path)
    said: list[str] = []
    assert establish(cluster, say=said.append, strict=True) == {}
    assert all_known(cluster)
    assert said == []


def test_a_shell(tmp_path: Path) -> None:
    (tmp_path / "inventory.yml").write_text(LOCALHOST.replace("local}", "local, cluster_address: 192.0.2.9}"))
    program = [sys.executable, "-c", "import sys; from provisioner.cli import main; sys.exit(main())", "ssh", "--hosts",
               str(tmp_path / "inventory.yml"), "localhost"]
    inside = subprocess.run([*program, "echo", "$0", "$PWD"], capture_output=True, text=True, check=True)
    assert inside.stdout.split() == ["/bin/sh", pwd.getpwuid(os.geteuid()).pw_dir]
    shell = subprocess.run(program, capture_output=True, text=True, check=True, input="echo I am in; exit\n")
    assert "I am in" in shell.stdout


def test_the_address_of_the_default_route_is_its_own() -> None:
    mine = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
    found = addresses.own_address()
    assert not found or f" {found}/" in mine


def written(folder: Path, text: str) -> Context:
    """As the next command finds it."""
    (folder / "inventory.yml").write_text(text)
    return Context(folder / "inventory.yml")


def test_it_is_found_at_its_own_address(tmp_path: Path, own: str) -> None:
    host = written(tmp_path, LOCALHOST).cluster.hosts[0]
    assert (host.local, host.cluster_address) == (True, own)
    assert not written(tmp_path, LOCALHOST.replace("local}", "ssh, ansible_host: 192.0.2.1}")).cluster.hosts[0].local


@pytest.mark.parametrize(("also", "address"), [
    ("cluster_address: 192.0.2.9", "192.0.2.9"),
    ("ansible_host: 192.0.2.9", "192.0.2.9"),
    ("ansible_host: 127.0.0.1", "198.51.100.7"),
    ("ansible_host: node.example.com", "198.51.100.7"),
])
def test_what_is_written_comes_first(tmp_path: Path, own: str, also: str, address: str) -> None:
    assert written(tmp_path, LOCALHOST.replace("local}", f"local, {also}}}")).cluster.hosts[0].cluster_address == address


def test_another_address_is_told_and_not_followed(tmp_path: Path, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = written(tmp_path, LOCALHOST)
    ledger.save(built.cluster, built.ledger)
    monkeypatch.setattr(addresses, "own_address", lambda: "198.51.100.8")
    later = Context(built.path)
    assert later.cluster.hosts[0].cluster_address == own
    assert [(each.message, each.hint.partition(";")[0]) for each in later.moved()] == [
        (f"localhost is 198.51.100.8 now; the cluster was built with {own} and keeps to it",
         "if the machine moved, write cluster_address: 198.51.100.8 at localhost")]


def test_a_machine_without_a_way_out_must_be_told_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "own_address", lambda: "")
    with pytest.raises(InventoryError, match="localhost is this machine, which has no default route") as error:
        _ = written(tmp_path, LOCALHOST).cluster
    assert "cluster_address" in error.value.message
    loopback = LOCALHOST.replace("local}", "local, cluster_address: 127.0.0.1}")
    assert "containers can't reach localhost at '127.0.0.1'" in refusal(tmp_path, loopback)


def test_localhost_over_ssh_is_told_of_the_other_way(tmp_path: Path) -> None:
    said = refusal(tmp_path, LOCALHOST.replace(" {ansible_connection: local}", ""))
    assert "containers can't reach localhost at 'localhost'" in said
    assert "write ansible_connection: local" in said


def test_in_a_larger_cluster_it_is_refused(tmp_path: Path) -> None:
    said = refusal(tmp_path, "masters:\n  hosts:\n    m1: {ansible_host: 198.51.100.11, ansible_connection: local}\n"
                             "agents:\n  hosts:\n    a1: {ansible_host: 198.51.100.21}\n")
    assert said.startswith("inventory.yml:3: ansible_connection: local (m1) is for a cluster of one machine")
    assert "reached over SSH, at its ansible_host" in said


def test_commands_choose_the_way(tmp_path: Path) -> None:
    cluster, _ = this(tmp_path)
    assert isinstance(Context(cluster.path, cluster=cluster).transport, Local)


def test_one_machine_at_loopback_is_looked_at_but_no_cluster(tmp_path: Path) -> None:
    """What only lists or asks a host needs no more than SSH; preflight refuses it."""
    cluster = load_text(tmp_path, "masters: {hosts: {m1: {ansible_host: 127.0.0.11}}}\n")
    assert [w for w in cluster.warnings if w.startswith("containers can't reach m1 at 127.0.0.11: set cluster_address")]
