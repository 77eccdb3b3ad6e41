"""What several end-to-end tests stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster_under_test import lab_name
from tests.mesos_container import MesosContainer, lab_system


@pytest.fixture(scope="session")
def box() -> Iterator[MesosContainer]:
    """A container with Mesos and ZooKeeper installed, without any program running."""
    found = MesosContainer(lab_name("mesos"), lab_system())
    yield found
    found.remove()
