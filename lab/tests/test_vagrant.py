"""Vagrantfiles: of a lab and of an inventory, as text and as Ruby reads them; and which backend a lab has."""

from __future__ import annotations

import ipaddress
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import main
from provisioner.errors import InventoryError, ProvisionError, UsageError
from provisioner.inventory.load import load
from provisioner_lab import work
from provisioner_lab.hosts import engine, nodes, vagrant
from provisioner_lab.hosts.vagrantfile import Machines, Size, of_inventory, of_lab, ruby
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import content
from provisioner_lab.model import Lab

GOLDEN = Path(__file__).parent / "golden" / "Vagrantfile"
LAB = Lab("demo", Path("/w"), "debian12", ipaddress.IPv4Network("198.18.4.0/24"), "vagrant")
MOULD = nodes.Mould("provisioner-lab-node:debian12-0123456789ab", ("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"))
MACHINES = Machines("virtualbox", "debian/bookworm64", Size(2048, 2), Size(4096, 1))
HOSTS = """\
all:
  vars: {cluster_name: demo, ansible_user: operator, ansible_ssh_private_key_file: keys/id}
  children:
    masters: {hosts: {m1: {ansible_host: 192.168.56.11}}}
    agents: {hosts: {a1: {ansible_host: 192.168.56.21}, a2.x-1: {ansible_host: 192.168.56.22, ansible_user: o.dd$}}}
    zookeeper: {hosts: {z1: {ansible_host: 192.168.56.31}}}
"""
needs_ruby = pytest.mark.skipif(not shutil.which("ruby"), reason="no ruby here; it comes with vagrant, as `make lab-tests` installs it")


def written(folder: Path, text: str = HOSTS, chosen: Machines = MACHINES) -> str:
    """The Vagrantfile of this inventory."""
    path = folder / "inventory.yml"
    path.write_text(text)
    return of_inventory(load(path), chosen)


def refused(folder: Path, text: str) -> str:
    """Why an inventory gets none."""
    with pytest.raises(InventoryError) as caught:
        written(folder, text)
    return str(caught.value)


def run_ruby(*arguments: str) -> list[Any]:
    """Lines of JSON that a Ruby program prints."""
    done = subprocess.run(["ruby", "-w", *arguments], capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def settings(folder: Path, text: str) -> dict[tuple[str, str], list[Any]]:
    """(where, what) → values of each time that Ruby makes this setting."""
    path = folder / "Vagrantfile"
    path.write_text(text)
    found: dict[tuple[str, str], list[Any]] = {}
    for where, what, values in run_ruby(str(Path(__file__).with_name("vagrant_settings.rb")), str(path)):
        found.setdefault((where, what), []).append(values)
    return found


def golden_vagrantfile(folder: Path) -> str:
    """The text that the golden file holds; its keys lie in a folder of no machine in particular."""
    return written(folder).replace(str(folder.absolute()), "/home/me")


def test_the_vagrantfile_of_an_inventory_is_the_golden_one(tmp_path: Path) -> None:
    assert golden_vagrantfile(tmp_path) == GOLDEN.read_text(), "if the change is meant, this is the new golden file"


@needs_ruby
@pytest.mark.parametrize("provider", ["virtualbox", "libvirt"])
def test_ruby_finds_each_host_with_its_address_size_and_user(tmp_path: Path, provider: str) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "id.pub").write_text("ssh-ed25519 AAAA it's mine\n")
    found = settings(tmp_path, written(tmp_path, chosen=Machines(provider, "o'box", Size(1024, 3), Size(4096, 1))))
    assert found["config.vm", "box="] == [["o'box"]]
    assert found["config.vm", "define"] == [["a1"], ["a2.x-1"], ["m1"], ["z1"]]
    assert found["config.vm.a2.x-1.vm", "hostname="] == [["a2.x-1"]]
    assert found["config.vm.a1.vm", "network"] == [["private_network", {"ip": "192.168.56.21"}]]
    given = {name: f"config.vm.{name}.vm.{provider}" for name in ("a1", "m1", "z1")}
    sizes = {name: [found[where, "memory="][0][0], found[where, "cpus="][0][0]] for name, where in given.items()}
    assert sizes == {"a1": [4096, 1], "m1": [1024, 3], "z1": [1024, 3]}
    (kind, script), = found["config.vm.a2.x-1.vm", "provision"]
    assert (kind, script["args"]) == ("shell", ["o.dd$", "ssh-ed25519 AAAA it's mine"])
    subprocess.run(["sh", "-n"], input=script["inline"], text=True, check=True)


@needs_ruby
def test_ruby_reads_odd_strings_as_they_are() -> None:
    odd = ["", "'", "\\", "\\'", "#{exit 1}", "a\nb", "\\n", '"', "`id`", "%s", "ä", "it\\'s \\\\ #$0"]
    assert run_ruby("-rjson", "-e", f"puts JSON.generate({ruby(odd)})") == [odd]


@pytest.mark.parametrize(("line", "instead", "reason"), [
    ("{ansible_host: 192.168.56.21}", "{ansible_host: a1.example.com}", "a1 has no IPv4 address that a machine could get (a1.example.com)"),
    ("{ansible_host: 192.168.56.21}", "{ansible_host: 'fd00::21', cluster_address: 192.168.56.21}", "a1 has no IPv4 address"),
    ("a1: {ansible_host: 192.168.56.21}", "a1: {}", "a1 has no IPv4 address that a machine could get (a1)"),
    ("192.168.56.21}", "192.168.56.21, cluster_address: 10.0.0.21}", "a1 has two addresses, 192.168.56.21 and 10.0.0.21"),
    ("192.168.56.21}", "192.168.56.21, ansible_port: 2222}", "a1 is reached at port 2222"),
    ("192.168.56.21}", "192.168.57.21}", "the hosts are in several networks: 192.168.57.0/24, 192.168.56.0/24"),
    (", ansible_ssh_private_key_file: keys/id", "", "nothing says which key opens a1"),
    ("ansible_user: operator, ", "", "nothing says whom a1 is to let in"),
])
def test_an_inventory_that_no_machines_can_be_made_for_is_refused(tmp_path: Path, line: str, instead: str, reason: str) -> None:
    assert line in HOSTS
    said = refused(tmp_path, HOSTS.replace(line, instead))
    assert reason in said
    assert "inventory.yml" in said
    assert "\n→ " in said


def test_what_is_asked_for_must_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "inventory.yml"
    path.write_text(HOSTS)
    assert main(["lab", "vagrantfile", "--hosts", str(path), "--provider", "libvirt", "--agent-memory", "512"]) == 0
    assert "memory: 512, cpus: 2" in capsys.readouterr().out
    assert main(["lab", "vagrantfile", "--hosts", str(path), "--provider", "hyperv"]) == UsageError.exit_code
    assert "choose one of virtualbox, libvirt" in capsys.readouterr().err
    assert main(["lab", "vagrantfile", "--hosts", str(path), "--master-cpus", "0"]) == UsageError.exit_code
    assert "can't have 2048 MiB and 0 processors" in capsys.readouterr().err
    assert main(["lab", "up", "--backend", "lxc"]) == UsageError.exit_code
    assert "choose one of docker, vagrant" in capsys.readouterr().err


@needs_ruby
def test_vagrant_makes_the_containers_that_the_engine_would_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(nodes, "run", lambda argv, **_: asked.append(list(argv)))
    members = [LAB.node("m1"), LAB.node("a1")]
    for node in members:
        nodes.create(LAB, node, MOULD, b"a tar")
    identities = {name: Path("/w/it's") / f"{name}.tar" for name in ("m1", "a1")}
    found = settings(tmp_path, of_lab(LAB, members, MOULD, identities))
    assert found["config.vm", "define"] == [["m1"], ["a1"]]
    for node in members:
        said = {what: found[f"config.vm.{node.name}.vm.docker", f"{what}="][0][0] for what in ("name", "image", "create_args", "cmd")}
        keys = ["--volume", f"{identities[node.name]}:/run/identity.tar:ro"]
        at = said["create_args"].index(keys[1]) - 1
        assert said["create_args"][at:at + 2] == keys
        del said["create_args"][at:at + 2]
        as_vagrant_does = ["docker", "create", "--name", said["name"], *said["create_args"], said["image"], *said["cmd"]]
        assert as_vagrant_does in asked


def test_new_hosts_get_keys_and_old_ones_keep_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "run", lambda argv, **_: "")
    lab = Lab("demo", tmp_path, "debian12", LAB.subnet, "vagrant")
    members = [lab.node("m1"), lab.node("a1")]
    vagrant.define(lab, members[:1], MOULD, {"m1": b"first"})
    before = (lab.vagrant / "identities" / "m1.tar").read_bytes()
    vagrant.define(lab, members, MOULD, {"a1": b"second"})
    archives = {path.name: path for path in (lab.vagrant / "identities").iterdir()}
    assert set(archives) == {"m1.tar", "a1.tar"}
    assert archives["m1.tar"].read_bytes() == before
    assert archives["a1.tar"].read_bytes() == b"second"
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in archives.values())
    assert "'a1' => {" in (lab.vagrant / "Vagrantfile").read_text()


@pytest.mark.parametrize(("said", "shown"), [
    ("Command: ...\n\nStderr: docker: Address already in use\n\nStdout: 52d5", "vagrant up failed: docker: Address already in use"),
    ("There is a syntax error in the following Vagrantfile", "vagrant up failed (exit 1):\nThere is a syntax error"),
])
def test_what_the_engine_told_vagrant_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, shown: str) -> None:
    program = tmp_path / "vagrant"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    lab = Lab("demo", tmp_path, "debian12", LAB.subnet, "vagrant")
    with pytest.raises(ProvisionError) as caught:
        vagrant.start(lab, ["m1"], {"m1": "missing"}, say=print)
    assert caught.value.message.startswith(shown)
    assert str(lab.vagrant / "up.log") in caught.value.hint


def test_a_lab_keeps_its_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    def image(which: object, say: object) -> str:
        raise LookupError("got as far as the images")

    for missing in ("ensure", "ensure_vagrant"):
        monkeypatch.setattr(engine, missing, lambda say: None)
    monkeypatch.setattr(work, "labs", lambda: (LAB,))
    monkeypatch.setattr(work, "architecture", lambda: "amd64")
    monkeypatch.setattr(content, "any_made", lambda which: True)
    monkeypatch.setattr(bootstrap, "node_image", image)
    monkeypatch.setattr(bootstrap, "python_image", lambda say: ("service", None))
    monkeypatch.setattr(nodes, "read_states", lambda lab: {"m1": "running"})
    for backend in (None, "vagrant"):
        with pytest.raises(LookupError):
            work.up(LAB.name, directory=LAB.directory, backend=backend, say=print)
    with pytest.raises(UsageError, match="are made by vagrant"):
        work.up(LAB.name, directory=LAB.directory, backend="docker", say=print)


def test_a_machine_whose_sources_have_no_vagrant_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(engine, "program", lambda name: "" if name == "vagrant" else f"/usr/bin/{name}")
    monkeypatch.setattr(engine, "require_root", lambda what: None)
    monkeypatch.setattr(engine, "run_logged", lambda argv, *_, **__: installed.append(argv[1]))
    monkeypatch.setattr(engine, "attempt", lambda argv, **_: subprocess.CompletedProcess(argv, 100, b"", b"E: No packages found"))
    with pytest.raises(UsageError, match="no vagrant") as caught:
        engine.ensure_vagrant(print)
    assert "--backend docker" in caught.value.hint
    assert installed == ["update"]
