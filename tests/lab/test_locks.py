"""With any one lock taken away by hand the audit names that door, and no other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from kazoo.client import KazooClient
from kazoo.security import OPEN_ACL_UNSAFE

from provisioner_lab.under_test import ClusterUnderTest
from tests.lab.support.checkout import eventually
from tests.lab.support.results import keep
from tests.lab.support.unlocked import UNLOCKED, Unlocked
from tests.lab.test_audit import Audit, audit

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
#: What came of each row, for the table.
Table = list[str]


@pytest.fixture(scope="module")
def table(cluster: ClusterUnderTest) -> Iterator[Table]:
    """A line for each lock; in the end the cluster is as it was, and has no open door."""
    lines: Table = []
    yield lines
    cluster.wait_healthy()
    found: Audit = {}

    def closed() -> bool:
        found.update(audit(cluster))
        return bool(found["closed"])

    eventually("all doors are locked again, and let in whom they should", 60, closed)
    keep("locks", "\n".join([*lines, f"afterwards: {len(found['open'])} open doors of {found['doors']}"]))


def named(cluster: ClusterUnderTest, host: str) -> tuple[set[str], str]:
    """The doors that are open there, and in how many seconds from where they were found to be."""
    begin = time.monotonic()
    found = audit(cluster, "--limit", host)
    places = ", ".join(dict.fromkeys(row["place"] for row in found["rows"] if row["verdict"] == "open"))
    return {one["door"] for one in found["open"]}, f"{time.monotonic() - begin:.0f} s, from {places}"


def noted(table: Table, title: str, doors: set[str], how: str) -> None:
    """Print a line, and keep it for the table."""
    table.append(f"{title}: {len(doors)} named in {how}: {', '.join(sorted(doors))}")
    print(table[-1], flush=True)


@pytest.mark.parametrize("lock", UNLOCKED, ids=lambda lock: str(lock.title))
def test_a_lock_that_is_taken_away_is_noticed(cluster: ClusterUnderTest, table: Table, lock: Unlocked) -> None:
    hosts = ["m1", "m2", "m3"] if lock.host == "masters" else [lock.host]
    try:
        for host in hosts:
            cluster.host(host).run(lock.script)
        doors, how = named(cluster, lock.host)
    finally:
        for host in hosts:
            cluster.host(host).run(lock.undo)
    noted(table, f"{lock.title} on {lock.host}", doors, how)
    assert set(lock.doors) <= doors if lock.others else doors == set(lock.doors)


def test_a_node_that_everybody_may_change_is_noticed(cluster: ClusterUnderTest, table: Table,
                                                     zookeeper: Callable[[str], KazooClient]) -> None:
    nodes = zookeeper("m1")
    before, _ = nodes.get_acls("/")
    nodes.set_acls("/", OPEN_ACL_UNSAFE)
    try:
        doors, how = named(cluster, "m1")
    finally:
        nodes.set_acls("/", before)
    noted(table, "everybody may change / of ZooKeeper", doors, how)
    assert doors == {"ZooKeeper 2181/tcp"}
