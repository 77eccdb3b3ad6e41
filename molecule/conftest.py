"""What the scenarios' tests stand on: the lab's hosts, the inventory that the role was applied with, and the role once more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from provisioner.run.ansible import mitogen_settings
from tests.lab.support.checkout import HOME, SHARED, ClusterUnderTest
from tests.lab.support.fixtures import Inventory, members, on, variable, zookeeper

__all__ = ["cluster", "converge", "engine", "inventory", "members", "on", "packages", "variable", "zookeeper"]


#: Docker, where it is, lets nothing through that it does not know.
BRIDGE = """
set -e
ip link add br-scenario type bridge
ip addr add 172.31.250.1/24 dev br-scenario
ip link set br-scenario up
ip netns add scenario
ip link add scenario0 type veth peer name eth0 netns scenario
ip link set scenario0 master br-scenario up
ip -n scenario addr add 172.31.250.2/24 dev eth0
ip -n scenario link set eth0 up
ip -n scenario route add default via 172.31.250.1
sysctl -q -w net.ipv4.ip_forward=1
nft 'table ip scenario { chain after { type nat hook postrouting priority 100; ip saddr 172.31.250.0/24 masquerade; }; }'
if iptables -S FORWARD >/dev/null 2>&1; then
  iptables -I FORWARD -i br-scenario -j ACCEPT
  iptables -I FORWARD -o br-scenario -j ACCEPT
fi
"""
NO_BRIDGE = """
if iptables -S FORWARD >/dev/null 2>&1; then
  iptables -D FORWARD -i br-scenario -j ACCEPT
  iptables -D FORWARD -o br-scenario -j ACCEPT
fi
nft delete table ip scenario
ip netns del scenario
ip link del br-scenario
"""


@pytest.fixture(scope="session")
def cluster() -> ClusterUnderTest:
    """The lab of this run, with as much of a cluster as the scenario's role stands on."""
    os.chdir(HOME)  # Molecule starts pytest in the scenario's folder; labs are looked for in this one
    return ClusterUnderTest(SHARED, HOME)


@pytest.fixture(scope="session")
def inventory() -> Inventory:
    """The rendered inventory that converge used, with the secrets in clear."""
    loaded: Inventory = json.loads((Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "lab.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def engine(cluster: ClusterUnderTest) -> Iterator[Callable[[str], docker.DockerClient]]:
    """`engine(host)`: the Docker SDK with that host's engine, through its socket as the machine that runs the lab sees it."""
    machine = docker.from_env()
    clients = [machine]

    def connect(host: str) -> docker.DockerClient:
        process = machine.containers.get(f"{cluster.lab}-{host}").attrs["State"]["Pid"]
        clients.append(docker.DockerClient(base_url=f"unix:///proc/{process}/root/run/docker.sock", version="auto"))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def packages(on: Callable[[str], Any]) -> Callable[..., None]:
    """`packages(host, "install" or "remove", *names)`, by the package manager of the host's operating system."""
    def change(host: str, verb: str, *names: str) -> None:
        command = f"dnf {verb}" if on(host).exists("dnf") else f"apt-get {verb} {'--purge --autoremove' if verb == 'remove' else ''}"
        on(host).check_output(f"DEBIAN_FRONTEND=noninteractive {command} -q -y {' '.join(names)}")

    return change


@pytest.fixture(scope="module")
def container(on: Callable[[str], Any]) -> Iterator[Callable[[str], str]]:
    """`container(host)`: how a command begins that runs where a container of that host would: behind a bridge, its source translated."""
    made: set[str] = set()

    def inside(host: str) -> str:
        if host not in made:
            made.add(host)
            on(host).check_output(BRIDGE)
        return "ip netns exec scenario"

    yield inside
    for host in made:
        on(host).check_output(NO_BRIDGE)


@pytest.fixture(scope="session")
def converge() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`converge(component, hosts, **overrides)`: the role again on some hosts, with other variables; failing is an answer too.

    By mitogen, in half the time; without it every role has just been applied twice.
    """
    def run(component: str, hosts: str, **overrides: Any) -> subprocess.CompletedProcess[str]:
        role = component.removesuffix("_master").removesuffix("_agent")
        # With other variables nothing is noted, as it is not what the driver would apply.
        settings = {"component_name": component, "component_role": role, "component_hosts": hosts, **overrides,
                    **({"component_notes": {}} if overrides else {})}
        inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "lab.json"
        playbook = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "playbooks/up.yml"
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(inventory), "-e", json.dumps(settings), str(playbook)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env={**os.environ, **mitogen_settings()})

    return run
