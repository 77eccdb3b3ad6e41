"""A lab whose hosts Vagrant makes, from nothing to nothing, and what a Vagrantfile of virtual machines does to a host."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner_lab import work
from provisioner_lab.hosts import nodes
from provisioner_lab.hosts.vagrant import environment
from provisioner_lab.model import LABEL_LAB, Lab
from tests.lab.support.checkout import ROOT, lab_name, provision

pytestmark = pytest.mark.own_lab
LAB = lab_name("vagrant")
#: A name that no user has, but a group.
USER = "staff"
STAND_IN = ROOT / "lab" / "tests" / "vagrant_settings.rb"


@pytest.fixture(scope="module")
def home() -> Iterator[Lab]:
    """One master and one agent."""
    with contextlib.suppress(UsageError):  # there is none, unless an earlier run was cut off
        work.down(LAB, say=print)
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "1", "--backend", "vagrant")
    yield work.find(LAB)
    with contextlib.suppress(UsageError):  # the last test removes it
        work.down(LAB, say=print)


def vagrant(home: Lab, *arguments: str) -> str:
    """What Vagrant itself says about the lab."""
    return run(["vagrant", *arguments], environment(home))


def run(argv: list[str], settings: dict[str, str]) -> str:
    done = subprocess.run(argv, env={**os.environ, **settings}, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def states(home: Lab) -> dict[str, str]:
    """Host → its state in Vagrant's words."""
    rows = [line.split(",") for line in vagrant(home, "status", "--machine-readable").splitlines()]
    return {row[1]: row[3] for row in rows if row[2] == "state"}


def names(home: Lab) -> dict[str, str]:
    """Host → what it says it is called, asked over SSH as the inventory says."""
    lines = provision("run", "--lab", home.name, "hostname").stdout.splitlines()
    return {host.strip(): name.strip() for host, bar, name in (line.partition("|") for line in lines) if bar}


def test_the_inventory_opens_every_host(home: Lab) -> None:
    assert names(home) == {"m1": "m1", "a1": "a1"}


def test_vagrant_and_the_lab_say_the_same(home: Lab) -> None:
    assert states(home) == {"m1": "running", "a1": "running"}
    assert work.status(LAB).states == {"m1": "running", "a1": "running", "mirror": "running"}
    assert [each.backend for each in work.labs() if each.name == LAB] == ["vagrant"]


def test_a_host_that_vagrant_halted_comes_back_as_the_same(home: Lab) -> None:
    vagrant(home, "halt", "a1")
    assert work.status(LAB).states["a1"] == "exited"
    refused = provision("lab", "up", "--name", LAB, "--backend", "docker", check=False)
    assert (refused.returncode, "are made by vagrant" in refused.stderr) == (UsageError.exit_code, True)
    provision("lab", "up", "--name", LAB)
    assert states(home)["a1"] == "running"
    assert names(home)["a1"] == "a1", "the same host key"


def test_a_host_is_prepared_as_a_virtual_machine_would_be(home: Lab, tmp_path: Path) -> None:
    """Vagrant accepts the settings for VirtualBox (a stand-in that only tells its version), and the script lets the inventory's user in."""
    key = tmp_path / "id"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], {})
    address = home.node("m1").address
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(f"all:\n  vars: {{cluster_name: machines, ansible_user: {USER}, ansible_ssh_private_key_file: {key}}}\n"
                         f"  children: {{masters: {{hosts: {{m1: {{ansible_host: {address}}}}}}}}}\n")
    (tmp_path / "Vagrantfile").write_text(provision("lab", "vagrantfile", "--hosts", str(inventory)).stdout)
    box = tmp_path / "VBoxManage"
    box.write_text("#!/bin/sh\necho 6.1.50r161033\n")
    box.chmod(0o755)
    settings = {**environment(home), "VAGRANT_CWD": str(tmp_path), "VAGRANT_DOTFILE_PATH": str(tmp_path / "kept"),
                "VAGRANT_DEFAULT_PROVIDER": "virtualbox", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert "validated successfully" in run(["vagrant", "validate"], settings)
    lines = [json.loads(line) for line in run(["ruby", str(STAND_IN), str(tmp_path / "Vagrantfile")], {}).splitlines()]
    (script,) = [values[1] for _, what, values in lines if what == "provision"]
    for _ in range(2):  # also on a machine that has been prepared
        done = nodes.exec_in(home, "m1", ["sh", "-s", "--", *script["args"]], stdin=script["inline"].encode())
        assert done.returncode == 0, done.stderr.decode()
    options = {"IdentityFile": key, "UserKnownHostsFile": home.cluster_state / "known_hosts", "IdentitiesOnly": "yes", "BatchMode": "yes"}
    login = ["ssh", "-F", "none", *(f"-o{name}={value}" for name, value in options.items()), f"{USER}@{address}"]
    assert run([*login, "id -un; sudo id -un; cat .ssh/authorized_keys"], {}).splitlines() == [USER, "root", script["args"][1]]



def test_nothing_is_left(home: Lab) -> None:
    assert home.vagrant.is_dir()
    provision("lab", "down", "--name", LAB)
    mine = ["--filter", f"label={LABEL_LAB}={LAB}"]
    for kind in (["ps", "--all", "--quiet"], ["volume", "ls", "--quiet"], ["network", "ls", "--quiet"]):
        assert run(["docker", *kind, *mine], {}) == "", kind
    assert not home.home.exists()
