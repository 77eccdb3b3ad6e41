"""What users keep in the cluster comes back from a backup after it was deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.support.belongings import APP, DATA, NAME, NODE, Belongings
from tests.lab.support.checkout import ClusterUnderTest, eventually

pytestmark = pytest.mark.provision(masters=3, agents=2)


@pytest.fixture
def belongings(open_belongings: Callable[[], Belongings]) -> Iterator[Belongings]:
    found = open_belongings()
    found.delete()
    yield found
    found.delete()


def test_what_was_deleted_comes_back(cluster: ClusterUnderTest, belongings: Belongings, tmp_path: Path) -> None:
    belongings.make()
    file = tmp_path / "backup.tar.gz"
    assert cluster.run("backup", "--out", str(file)).stdout == f"{file}\n"
    before, rules = belongings.job(), belongings.nodes.get_acls(NODE)[0]
    belongings.delete()
    refused = cluster.run("restore", str(file), "--yes", "another name", check=False)
    assert (refused.returncode, belongings.key()) == (2, "")
    done = cluster.run("restore", str(file), "--yes", f"lab-{cluster.lab}")
    assert belongings.nodes.get(NODE)[0] == DATA, done.stderr
    assert belongings.nodes.get_acls(NODE)[0] == rules
    assert belongings.key() == "kept"
    app = belongings.marathon.get_app(f"/{NAME}")
    assert (app.cmd, app.labels) == (APP["cmd"], APP["labels"])
    eventually("the app runs again", 120, lambda: belongings.marathon.get_app(f"/{NAME}").tasks_running == 1)
    assert belongings.job() == before
    eventually("all is well", 120, lambda: bool(cluster.status()["healthy"]))
