"""Hosts it knows nothing about: an inventory by address, a sudo user with a password, a running firewall, another package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from provisioner.inventory.load import load
from provisioner.paths import project_dir
from provisioner_lab.images import bootstrap
from provisioner_lab.mirror import mesos
from provisioner_lab.model import default_inventory
from provisioner_lab.systems import DEFAULT_SYSTEM, system
from tests.lab.support.checkout import HOME, ClusterUnderTest, lab_name, provision
from tests.lab.support.mesos_container import building

pytestmark = pytest.mark.own_lab
LAB = lab_name("plain")
USER, PASSWORD = "deploy", "correct horse battery"
OTHER_VERSION = "1.11.0+other1"

ADD_USER = """
useradd -m -s /bin/bash -G sudo {user}
echo '{user}:{password}' | chpasswd
install -d -m 700 -o {user} -g {user} /home/{user}/.ssh
echo '{key}' >/home/{user}/.ssh/authorized_keys
"""
#: firewalld as an operator may have it: installed, enabled and running before we come.
START_FIREWALLD = """
set -e
python3 -c "import urllib.request as u; open('/tmp/site.asc', 'wb').write(u.urlopen('{mirror}/apt/key.asc').read())"
chmod 644 /tmp/site.asc
echo 'deb [signed-by=/tmp/site.asc] {mirror}/apt bookworm main' >/etc/apt/sources.list.d/before.list
apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -qy firewalld >/dev/null 2>&1
rm /etc/apt/sources.list.d/before.list
systemctl enable --now firewalld
firewall-cmd --state
"""


def other_mesos(folder: Path) -> None:
    """A package `mesos` of another version, as an operator's own build would be dropped in: the lab's under another number."""
    hosts, tree = system(DEFAULT_SYSTEM), folder / "tree"
    with building():
        package = mesos.package(mesos.current(), hosts, bootstrap.node_image(hosts, print), print)
    subprocess.run(["dpkg-deb", "--raw-extract", str(package.path), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    lines = [f"Version: {OTHER_VERSION}" if line.startswith("Version:") else line for line in control.read_text().splitlines()]
    control.write_text("\n".join(lines) + "\n")
    (folder / "deb").mkdir()
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", "-z1", str(tree), str(folder / "deb" / "mesos_other.deb")],
                   check=True, capture_output=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """One master and one agent; firewalld runs on both; reached as a user of our own through an inventory of our own."""
    folder = tmp_path_factory.mktemp("plain")
    other_mesos(folder)
    provision("lab", "down", "--name", LAB, check=False)
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "1", "--artifacts", str(folder))
    by_hand = ClusterUnderTest(LAB, HOME)
    given = load(default_inventory(LAB))
    mirror = str(given.variables["cluster_mirror"])
    public = (default_inventory(LAB).parent / "id_ed25519.pub").read_text().strip()
    for host in ("m1", "a1"):
        by_hand.host(host).run(ADD_USER.format(user=USER, password=PASSWORD, key=public))
        by_hand.host(host).run(START_FIREWALLD.format(mirror=mirror))
    inventory = folder / "inventory.yml"
    content = {"all": {
        "vars": {"cluster_name": "plain", "ansible_user": USER, "ansible_become_password": PASSWORD,
                 "ansible_ssh_private_key_file": str(default_inventory(LAB).parent / "id_ed25519"),
                 "cluster_catalogue": "catalogue.json",
                 **{k: given.variables[k] for k in ("cluster_mirror", "cluster_registry")}},
        "children": {"masters": {"hosts": {"alpha": {"ansible_host": given.host("m1").address}}},
                     "agents": {"hosts": {"beta": {"ansible_host": given.host("a1").address}}}}}}
    YAML().dump(content, inventory)
    (folder / "catalogue.json").write_text((default_inventory(LAB).parent / "catalogue.json").read_text())
    for host, name in (("m1", "alpha"), ("a1", "beta")):
        by_hand.host(host).run(f"hostnamectl set-hostname {name}")
    yield ClusterUnderTest(LAB, HOME, inventory)
    provision("lab", "down", "--name", LAB)


def test_up_status_and_verify_work_the_same(cluster: ClusterUnderTest) -> None:
    done = cluster.run("preflight")
    assert "SHA256:" in done.stderr, "the first contact shows the keys it records"
    result = cluster.up()
    assert set(result) == {"cluster", "changed", "failed", "unreachable", "seconds"}
    assert (result["cluster"], result["failed"], result["unreachable"]) == ("plain", 0, 0)
    assert isinstance(result["changed"], int)
    assert result["changed"] > 50
    assert cluster.status()["healthy"]
    cluster.run("verify")


def test_a_host_whose_new_kernel_waits_is_rebooted_and_all_is_as_before(cluster: ClusterUnderTest) -> None:
    before = cluster.host("a1").run("cat /proc/sys/kernel/random/boot_id").strip()
    cluster.host("a1").run(f"echo 'kernel: something newer installed in boot {before}' >/var/lib/provisioner/reboot-required")
    done = cluster.run("up", "--yes")
    assert "rebooting beta" in done.stdout + done.stderr
    assert cluster.host("a1").run("cat /proc/sys/kernel/random/boot_id").strip() != before
    assert cluster.host("a1").run("ls /var/lib/provisioner/reboot-required", check=False) == ""
    assert cluster.status()["healthy"], cluster.status()


@pytest.mark.parametrize("mode", [(), ("--check",)])
def test_a_plain_ansible_playbook_agrees(cluster: ClusterUnderTest, tmp_path: Path, mode: tuple[str, ...]) -> None:
    """In the root of the project with the rendered inventory, with nothing of the driver around it; `dns` reads no secret."""
    (tmp_path / "rendered.json").write_text(cluster.run("inventory", "--json").stdout)
    known_hosts = load(Path(cluster.select[1])).state_dir / "known_hosts"
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "PYTHON"))}
    names = ("component_name=dns", "component_role=dns", "component_hosts=dns")
    done = subprocess.run([Path(sys.executable).with_name("ansible-playbook"), "-i", tmp_path / "rendered.json", *mode, "--ssh-common-args",
                           f"-o UserKnownHostsFile={known_hosts}", *(word for name in names for word in ("-e", name)), "playbooks/up.yml"],
                          cwd=project_dir(), env=plain, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"(\w+) +: ok=\d+ +changed=(\d+) .*failed=0", done.stdout) == [("alpha", "0"), ("beta", "0")]


def test_the_package_given_as_artifact_is_what_runs(cluster: ClusterUnderTest) -> None:
    for host in ("m1", "a1"):
        assert cluster.host(host).run("dpkg-query -W -f '${Version}' mesos") == OTHER_VERSION
    agent = cluster.host("a1").run("tr '\\0' '\\n' < /proc/$(systemctl show -p MainPID --value mesos-agent)/environ")
    assert "MESOS_LAUNCHER=" in agent


def test_an_agent_finds_its_cgroups(cluster: ClusterUnderTest) -> None:
    found = cluster.host("a1").run("findmnt -rno TARGET -t cgroup2 || true").split()
    assert found in ([], ["/sys/fs/cgroup"]), "an agent of Mesos 1.12 refuses to start where cgroup2 is anywhere else"
    cluster.host("a1").run("d=/sys/fs/cgroup; [ ! -d $d/freezer ] || d=$d/freezer; mkdir $d/probe && rmdir $d/probe")


def test_firewalld_is_off_afterwards(cluster: ClusterUnderTest) -> None:
    for host in ("m1", "a1"):
        assert cluster.host(host).run("systemctl is-active firewalld; systemctl is-enabled firewalld", check=False).split()[0] == "inactive"


def test_managed_opens_exactly_the_needed_ports(cluster: ClusterUnderTest) -> None:
    inventory = Path(cluster.select[1])
    yaml = YAML()
    content = yaml.load(inventory.read_text())
    content["all"]["vars"]["common_firewall"] = "managed"
    yaml.dump(content, inventory)
    cluster.run("up", "--yes", "--only", "common", "--only", "docker")
    agents = cluster.host("a1").run("firewall-cmd --list-all-zones")
    assert cluster.host("a1").run("firewall-cmd --state").strip() == "running"
    for port in ("5051/tcp", "31000-32000/tcp", "8301/tcp", "8301/udp", "53/udp"):
        assert port in agents, port
    for port in ("2181/tcp", "5050/tcp", "8080/tcp", "8500/tcp"):
        assert port not in agents, port
    masters = cluster.host("m1").run("firewall-cmd --list-all-zones")
    for port in ("2181/tcp", "2888/tcp", "3888/tcp", "5050/tcp", "8080/tcp", "4400/tcp", "8300/tcp", "6514/tcp"):
        assert port in masters, port
    assert "5140/tcp" not in masters, "where lines went in clear"
    cluster.run("verify")
