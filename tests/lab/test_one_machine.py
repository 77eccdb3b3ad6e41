"""A cluster on one machine: over SSH, and from within, where the driver is installed on the machine itself and reaches it without SSH."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.inventory.load import load
from provisioner.mirror.programs import run
from provisioner.paths import project_dir
from provisioner_lab.hosts import nodes
from provisioner_lab.model import default_inventory
from provisioner_lab.under_test import COMMAND_SECONDS
from provisioner_lab.work import find
from tests.lab.support.checkout import HOME, ClusterUnderTest, eventually, lab_name, provision

pytestmark = pytest.mark.own_lab
LAB = lab_name("one")
#: On the machine: where the driver is installed, and where its inventory lies.
INSTALLED, FOLDER = "/opt/provision", "/home/operator/one"
#: A virtual environment without Debian's package for it; pip runs out of its own wheel.
INSTALL = f"""
set -e
python3 -m venv --without-pip {INSTALLED}
{INSTALLED}/bin/python "$(echo /opt/wheels/pip-*.whl)/pip" install --quiet --no-index --find-links /opt/wheels provisioner
install -d -o operator {FOLDER}
install -o operator /opt/catalogue.json {FOLDER}/catalogue.json
"""
#: What is published as source only, and is Python only.
SOURCE_ONLY = "python-terraform"
APP = {"id": "/alone", "cmd": "sleep 600", "cpus": 0.1, "mem": 32, "instances": 1}


@pytest.fixture
def machine() -> Iterator[ClusterUnderTest]:
    """A lab of one bare host that is in `masters` and in `agents`."""
    provision("lab", "down", "--name", LAB, "--ignore-missing")
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "0")
    inventory = default_inventory(LAB, HOME)
    inventory.write_text(inventory.read_text().replace("agents:\n      hosts: {}", "agents:\n      hosts:\n        m1:"))
    yield ClusterUnderTest(LAB, HOME)
    provision("lab", "down", "--name", LAB)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The driver of this checkout and all it needs, for the Python of the lab's hosts; by the configuration of pip on this machine."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)], cwd=project_dir(),
                   check=True, capture_output=True)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), SOURCE_ONLY], check=True)
    subprocess.run([*pip, "download", "--only-binary=:all:", "--python-version", "3.11", "--find-links", str(folder), "--dest", str(folder),
                    *map(str, folder.glob("provisioner-*.whl")), "pip"], check=True)
    return folder


class Within:
    """`provision` on the machine itself, in the folder of its inventory; as `operator`, who needs sudo, or as root."""

    def __init__(self, user: str) -> None:
        self._user = user

    def sh(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """A shell script; with `check` one that fails fails the test."""
        done = nodes.exec_in(find(LAB), "m1", ["runuser", "-l", self._user, "-c", f"PATH={INSTALLED}/bin:$PATH; cd {FOLDER}; {script}"],
                             timeout=COMMAND_SECONDS)
        assert not check or done.returncode == 0, f"{script}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done

    def provision(self, arguments: str, *, check: bool = True) -> str:
        """What one command printed."""
        return self.sh(f"provision {arguments}", check=check).stdout.decode()

    def up(self, *arguments: str) -> int:
        """`up`: how much was changed."""
        result = json.loads(self.provision(f"up --yes --json {' '.join(arguments)}").splitlines()[-1])
        assert (result["failed"], result["unreachable"]) == (0, 0)
        return int(result["changed"])


def settled(machine: ClusterUnderTest, wheels: Path, user: str, name: str) -> Within:
    """The driver on the machine, with the inventory of `init --local` under which it is called `name`."""
    run(["docker", "cp", f"{wheels}/.", f"{LAB}-m1:/opt/wheels"], what="wheels")
    run(["docker", "cp", str(machine.inventory.with_name("catalogue.json")), f"{LAB}-m1:/opt/catalogue.json"], what="catalogue")
    machine.host("m1").run(INSTALL)
    within, given = Within(user), load(machine.inventory).variables
    site = "".join(f"\n    {key}: {given[key]}" for key in ("cluster_mirror", "cluster_registry", "cluster_catalogue"))
    text = within.sh("provision init --local && cat inventory.yml").stdout.decode()
    written = text.replace("node1", name).replace("cluster_name: this-machine", f"cluster_name: this-machine{site}")
    within.sh(f"cat >inventory.yml <<'END'\n{written}END")
    return within


def test_from_within_it_is_what_it_is_over_ssh(machine: ClusterUnderTest, wheels: Path) -> None:
    within = settled(machine, wheels, "operator", "node1")
    within.provision("validate")
    findings = json.loads(within.provision("preflight --json"))["findings"]
    assert [f for f in findings if f["severity"] == "fail"] == []
    assert within.provision("run 'id -un; pwd'").splitlines() == ["node1 | operator", "node1 | /home/operator"]
    assert within.provision("run --sudo 'id -un'").splitlines() == ["node1 | root"]
    assert within.provision("ssh node1 hostname").strip() == "m1"
    assert within.up("--only", "repos", "--only", "common") > 5
    assert within.up("--only", "repos", "--only", "common") == 0
    hosts = machine.host("m1").run("cat /etc/hosts")
    assert f"{machine.host('m1').address} node1 m1" in hosts.splitlines()
    assert within.sh("provision unlock", check=False).returncode == 0


@pytest.mark.nightly
def test_localhost_becomes_a_cluster(machine: ClusterUnderTest, wheels: Path) -> None:
    within = settled(machine, wheels, "root", "localhost")
    assert within.up() > 50
    within.provision("verify")
    assert within.up() == 0
    status = json.loads(within.provision("status --json"))
    assert status["healthy"], status
    assert "127.0.0.1" in machine.host("m1").run("getent ahostsv4 localhost")
    within.provision("restart zookeeper --yes")  # nobody takes over, so Marathon and Chronos start anew
    eventually("all is well again", 180, lambda: json.loads(within.provision("status --json", check=False))["healthy"])
    within.provision("backup")
    within.provision("verify")
    within.provision("reset --yes this-machine")
    assert "127.0.0.1" in machine.host("m1").run("getent ahostsv4 localhost")


@pytest.mark.nightly
def test_one_host_is_a_cluster(machine: ClusterUnderTest) -> None:
    assert machine.up()["failed"] == 0
    machine.run("verify")
    assert machine.up()["changed"] == 0
    assert machine.status()["healthy"]
    assert "-Xmx128m" in machine.host("m1").run("tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value zookeeper)/cmdline")
    offered = machine.mesos.ask("GET", "/state")["slaves"][0]["resources"]["mem"]
    assert offered == 1024

    plan = machine.run("plan", "--full").stderr
    assert "this stops the cluster for a while: there is no other member of Consul, ZooKeeper, Mesos master, Marathon, Chronos" in plan
    machine.marathon.ask("POST", "/v2/apps", APP)
    eventually("the app runs", 120, lambda: bool(machine.marathon.ask("GET", "/v2/tasks")["tasks"]))
    refused = machine.run("drain", "m1", check=False)
    assert (refused.returncode, "it is the only agent, so its tasks have nowhere to go" in refused.stderr) == (5, True)
    machine.marathon.ask("DELETE", "/v2/apps/alone")
