"""Fixtures of role scenarios and whole-cluster tests alike; both have `cluster` and `inventory` of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import testinfra
from kazoo.client import KazooClient

from provisioner_lab.under_test import ClusterUnderTest

Inventory = dict[str, Any]
#: Address by host name, in the order of the inventory, for a group.
Members = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def members(inventory: Inventory) -> Members:
    """`members(group)`: address by host name."""
    def of(group: str) -> dict[str, str]:
        return {name: inventory["all"]["hosts"][name]["ansible_host"] for name in inventory["all"]["children"][group]["hosts"]}

    return of


@pytest.fixture(scope="module")
def variable(inventory: Inventory) -> Callable[[str, str], Any]:
    """`variable(host, name)`: what a host sees of the rendered inventory."""
    return lambda host, name: {**inventory["all"]["vars"], **inventory["all"]["hosts"][host]}[name]


@pytest.fixture(scope="module")
def on(cluster: ClusterUnderTest) -> Callable[[str], Any]:
    """`on(host)`: testinfra on that host, as root, past SSH."""
    return lambda host: testinfra.get_host(f"docker://{cluster.lab}-{host}")


@pytest.fixture
def zookeeper(cluster: ClusterUnderTest, inventory: Inventory) -> Iterator[Callable[[str], KazooClient]]:
    """`zookeeper(host)`: a client of that member alone, logged in as super user; closed at the end."""
    clients: list[KazooClient] = []

    def connect(host: str) -> KazooClient:
        password = inventory["all"]["vars"]["vault_zookeeper_super_password"]
        client = KazooClient(hosts=cluster.zookeeper_at(host), timeout=10, auth_data=[("digest", f"super:{password}")])
        client.start(timeout=30)
        clients.append(client)
        return client

    yield connect
    for client in clients:
        client.stop()
        client.close()
