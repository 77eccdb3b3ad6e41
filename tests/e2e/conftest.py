"""One full cluster for the whole session; what needs fresh hosts makes a small lab of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster_under_test import ClusterUnderTest, provision

FULL = "e2e"


@pytest.fixture(scope="session")
def first_up() -> Iterator[tuple[ClusterUnderTest, dict[str, object]]]:
    """Five fresh hosts, brought up once; with what `up --json` said."""
    provision("lab", "down", "--name", FULL, check=False)
    provision("lab", "up", "--name", FULL)
    cluster = ClusterUnderTest(FULL, ("--lab", FULL))
    yield cluster, cluster.up()
    provision("lab", "down", "--name", FULL)


@pytest.fixture
def cluster(first_up: tuple[ClusterUnderTest, dict[str, object]]) -> ClusterUnderTest:
    """The full cluster, up."""
    return first_up[0]
