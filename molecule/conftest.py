"""What the scenarios' tests stand on: the cluster, its rendered inventory, and testinfra on every host."""

from __future__ import annotations

import collections
import collections.abc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import testinfra
from kazoo.client import KazooClient

from provisioner.run.ansible import mitogen_settings
from tests.belongings import Belongings
from tests.cluster_under_test import HOME, ClusterUnderTest, lab_name
from tests.two_clients import Client, asker, writer

Inventory = dict[str, Any]

# The Marathon client asks for a name that Python 3.10 took away.
vars(collections)["Iterable"] = collections.abc.Iterable


@pytest.fixture(scope="session")
def cluster() -> ClusterUnderTest:
    """The lab of this run, through the command line."""
    os.chdir(HOME)  # Molecule starts pytest in the scenario's folder; labs are looked for in this one
    name = os.environ.get("LAB_NAME") or lab_name(f"molecule{os.environ.get('LAB_OS') or 'debian12'}")
    return ClusterUnderTest(name, HOME)


@pytest.fixture(scope="session")
def inventory() -> Inventory:
    """The rendered inventory that converge used, with the secrets in clear."""
    loaded: Inventory = json.loads((Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "lab.json").read_text())
    return loaded


@pytest.fixture(scope="session")
def members(inventory: Inventory) -> Callable[[str], dict[str, str]]:
    """`members(group)`: address by host name, in the order of the inventory."""
    def of(group: str) -> dict[str, str]:
        return {name: inventory["all"]["hosts"][name]["ansible_host"] for name in inventory["all"]["children"][group]["hosts"]}

    return of


@pytest.fixture(scope="session")
def variable(inventory: Inventory) -> Callable[[str, str], Any]:
    """`variable(host, name)`: what a host sees of the rendered inventory."""
    return lambda host, name: {**inventory["all"]["vars"], **inventory["all"]["hosts"][host]}[name]


@pytest.fixture(scope="session")
def on(cluster: ClusterUnderTest) -> Callable[[str], Any]:
    """`on(host)`: testinfra on that host, as root, past SSH."""
    return lambda host: testinfra.get_host(f"docker://{cluster.lab}-{host}")


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


@pytest.fixture(scope="session")
def packages(on: Callable[[str], Any]) -> Callable[..., None]:
    """`packages(host, "install" or "remove", *names)`, by the package manager of the host's operating system."""
    def change(host: str, verb: str, *names: str) -> None:
        command = f"dnf {verb}" if on(host).exists("dnf") else f"apt-get {verb} {'--purge --autoremove' if verb == 'remove' else ''}"
        on(host).check_output(f"DEBIAN_FRONTEND=noninteractive {command} -q -y {' '.join(names)}")

    return change


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


@pytest.fixture(scope="module")
def written(members: Callable[[str], dict[str, str]], inventory: Inventory) -> Iterator[tuple[Client, list[str]]]:
    """A client that writes to ZooKeeper all the time, and what was acknowledged."""
    hosts = ",".join(f"{address}:2181" for address in members("zookeeper").values())
    with writer(hosts, inventory["all"]["vars"]["vault_zookeeper_super_password"]) as found:
        yield found


@pytest.fixture(scope="module")
def asked(members: Callable[[str], dict[str, str]], inventory: Inventory) -> Iterator[Client]:
    """A client that asks a Marathon app all the time."""
    marathon = next(iter(members("marathon").values()))
    with asker(marathon, inventory["all"]["vars"]["docker_registry"], list(members("mesos_agent").values())) as client:
        yield client


@pytest.fixture
def zookeeper(members: Callable[[str], dict[str, str]], inventory: Inventory) -> Iterator[Callable[[str], KazooClient]]:
    """`zookeeper(host)`: a client of that member alone, logged in as super user; closed at the end."""
    clients: list[KazooClient] = []

    def connect(host: str) -> KazooClient:
        password = inventory["all"]["vars"]["vault_zookeeper_super_password"]
        client = KazooClient(hosts=f"{members('zookeeper')[host]}:2181", timeout=10, auth_data=[("digest", f"super:{password}")])
        client.start(timeout=30)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.stop()
        client.close()


@pytest.fixture
def open_belongings(zookeeper: Callable[[str], KazooClient], on: Callable[[str], Any],
                    members: Callable[[str], dict[str, str]]) -> Callable[[], Belongings]:
    """`open_belongings()`: what a user keeps in the cluster, seen through new connections."""
    return lambda: Belongings(zookeeper("m1"), on("m1"), next(iter(members("marathon").values())))
