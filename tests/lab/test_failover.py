"""The cluster under loss: leaders killed and frozen in turn, and a whole host, while two clients never stop.

One client writes to ZooKeeper, one asks a Marathon app. Nothing that was acknowledged may be lost, and the cluster must
heal by itself; how long each client was without an answer is printed as a table, not asserted.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from kazoo.client import KazooClient

from tests.lab.support.checkout import ClusterUnderTest, eventually
from tests.lab.support.two_clients import PATH, Client, report_gaps

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
Written = tuple[Client, list[str]]
#: A frozen leader is let go after this time; its session has ended long before.
FREEZE_SECONDS = 30
HEAL_SECONDS = 180
COMPONENTS = ("zookeeper", "mesos_master", "marathon", "chronos", "consul")
GAPS: list[tuple[str, float, float]] = []


def fault(cluster: ClusterUnderTest, what: str, component: str) -> str:
    """Do it to the leader's host; gives the host."""
    victim = cluster.leader(component)
    if what == "kill":
        cluster.kill(victim, component)
    elif what == "freeze":
        with cluster.pause(victim):
            time.sleep(FREEZE_SECONDS)
    else:
        with cluster.kill(victim):
            eventually("another leader", 90, lambda: cluster.leader(component) != victim)
    return victim


@pytest.mark.parametrize(("what", "component"), [
    *(("kill", component) for component in COMPONENTS), *(("freeze", component) for component in COMPONENTS), ("host", "mesos_master"),
])
def test_the_cluster_heals_by_itself(cluster: ClusterUnderTest, written: Written, asked: Client, what: str,
                                     component: str) -> None:
    writer, _ = written
    writer.reset()
    asked.reset()
    victim = fault(cluster, what, component)
    cluster.wait_healthy(HEAL_SECONDS)
    eventually("both clients get answers again", 60, lambda: time.monotonic() - max(writer.answered, asked.answered) < 2)
    GAPS.append((f"{what} {component} ({victim})", writer.gap(), asked.gap()))


def test_nothing_acknowledged_was_lost(written: Written, zookeeper: Callable[[str], KazooClient]) -> None:
    writer, acknowledged = written
    names = {path.rpartition("/")[2] for path in list(acknowledged)}
    client = zookeeper("m1")
    client.sync(PATH)
    assert names - set(client.get_children(PATH)) == set()
    report_gaps("gaps-failover", GAPS, len(names), writer.errors)
