"""The whole cluster does its work."""

from __future__ import annotations

from tests.cluster_under_test import ClusterUnderTest


def test_everything_is_healthy(cluster: ClusterUnderTest) -> None:
    status = cluster.status()
    assert status["healthy"], [row for row in status["components"] if row["state"] != "ok"]


def test_the_stack_works_end_to_end(cluster: ClusterUnderTest) -> None:
    cluster.run("verify")
