"""What tests on labs stand on. The cluster is that of the plugin which other projects get (`provisioner_lab.pytest_plugin`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kazoo.client import KazooClient

from provisioner.context import Context
from provisioner.state import secrets
from provisioner_lab.pytest_plugin import lab_name as usual_lab
from provisioner_lab.under_test import ClusterUnderTest
from tests.lab.support.belongings import Belongings
from tests.lab.support.checkout import lab_name
from tests.lab.support.fixtures import Inventory, Members, members, on, variable, zookeeper
from tests.lab.support.mesos_container import MesosContainer, lab_system
from tests.lab.support.schedulers import marathon_client
from tests.lab.support.two_clients import Client, asker, writer

__all__ = ["asked", "box", "inventory", "lab", "members", "on", "open_belongings", "variable", "written", "zookeeper"]


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> str:
    """The name of this run's lab, for tests that put one of their own in its place."""
    if pytestconfig.getoption("provision_lab") is None:
        pytest.skip("needs a cluster: run pytest with --provision-lab")
    return usual_lab(pytestconfig)


@pytest.fixture(scope="module")
def inventory(cluster: ClusterUnderTest) -> Inventory:
    """The rendered inventory as it is when the module begins, with the secrets in clear."""
    context = Context(cluster.inventory)
    rendered: Inventory = context.rendered
    rendered["all"]["vars"].update(secrets.load(context.cluster))
    return rendered


@pytest.fixture(scope="module")
def written(cluster: ClusterUnderTest, inventory: Inventory) -> Iterator[tuple[Client, list[str]]]:
    """A client that writes to ZooKeeper all the time, and what was acknowledged."""
    with writer(cluster.zookeeper, inventory["all"]["vars"]["vault_zookeeper_super_password"]) as found:
        yield found


@pytest.fixture(scope="module")
def asked(members: Members, inventory: Inventory) -> Iterator[Client]:
    """A client that asks a Marathon app all the time."""
    values = inventory["all"]["vars"]
    marathon = marathon_client(next(iter(members("marathon").values())), values)
    with asker(marathon, values["docker_registry"], list(members("mesos_agent").values())) as client:
        yield client


@pytest.fixture
def open_belongings(zookeeper: Callable[[str], KazooClient], on: Callable[[str], Any], members: Members,
                    inventory: Inventory) -> Callable[[], Belongings]:
    """`open_belongings()`: what a user keeps in the cluster, seen through new connections."""
    return lambda: Belongings(zookeeper("m1"), on("m1"), next(iter(members("marathon").values())), inventory["all"]["vars"])


@pytest.fixture(scope="session")
def box() -> Iterator[MesosContainer]:
    """A container with Mesos and ZooKeeper installed, without any program running."""
    found = MesosContainer(lab_name("mesos"), lab_system())
    yield found
    found.remove()
