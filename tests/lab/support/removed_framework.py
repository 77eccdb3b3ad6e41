"""A framework that Mesos was told to remove, and its cure, through Mesos' operator API and our command line alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.lab.support.checkout import ClusterUnderTest, eventually

#: How long a member may take to meet the refusal, and a cluster to be whole after the repair.
SEEN_SECONDS, WHOLE_SECONDS = 60.0, 120.0


class Removed:
    """What a component that has lost its framework is asked; `cure` is the command that the operator is told."""

    def __init__(self, cluster: ClusterUnderTest, name: str) -> None:
        self.cluster, self.name, self.cure = cluster, name, f"provision repair {name}"
        self.cluster_name = str(cluster.status()["cluster"])

    def living(self) -> list[str]:
        """The ids of the frameworks of that name which the leading master lists as active and connected."""
        listed = self.cluster.mesos.ask("POST", "/api/v1", {"type": "GET_FRAMEWORKS"})["get_frameworks"].get("frameworks", [])
        return [str(f["framework_info"]["id"]["value"]) for f in listed
                if f["framework_info"]["name"] == self.name and f["active"] and f["connected"]]

    def tear_down(self) -> str:
        """Remove the framework that is there; its id."""
        (identity,) = self.living()
        self.cluster.mesos.ask("POST", "/api/v1", {"type": "TEARDOWN", "teardown": {"framework_id": {"value": identity}}})
        return identity

    def told(self) -> str:
        """What the members say that names the cure; '' when none does."""
        return next((str(row["detail"]) for row in self.cluster.rows(self.name) if self.cure in row["detail"]), "")

    def verify(self) -> dict[str, Any]:
        """What `verify --json` gives."""
        found: dict[str, Any] = json.loads(self.cluster.run("verify", "--json", check=False).stdout.splitlines()[-1])
        return found

    def up(self) -> tuple[int, str]:
        """Exit code and words of an `up` of this component."""
        done = self.cluster.run("up", "--yes", "--only", self.name, check=False)
        return done.returncode, done.stdout + done.stderr

    def repair(self, yes: str) -> tuple[int, str]:
        """Exit code and words of a repair."""
        done = self.cluster.run("repair", self.name, "--yes", yes, check=False)
        return done.returncode, done.stdout + done.stderr


@contextmanager
def removed_framework(cluster: ClusterUnderTest, name: str) -> Iterator[tuple[Removed, str]]:
    """The component without its framework, and the id that it had; repaired at the end, whatever the test made of it."""
    found = Removed(cluster, name)
    identity = found.tear_down()
    try:
        eventually(f"{name} says that its framework was removed", SEEN_SECONDS, lambda: bool(found.told()))
        yield found, identity
    finally:
        if not found.living():
            found.repair(found.cluster_name)


def is_named_refused_and_cured(cluster: ClusterUnderTest, name: str, whole: Callable[[], bool]) -> None:
    """`status`, `verify` and `up` name the fault and its cure, and the cure works; `whole` tells whether what users had is back."""
    with removed_framework(cluster, name) as (found, old):
        assert "Mesos has removed its framework" in found.told()
        broken = next(step for step in found.verify()["steps"] if not step["ok"])
        assert broken["link"].lower().startswith(f"{name} on ") and found.cure in broken["detail"]
        for _ in range(2):  # the second one has nothing else to do
            code, said = found.up()
            assert code == 5 and found.cure in said, said
        code, said = found.repair("another")
        assert code == 2 and "was not typed" in said, said
        code, said = found.repair(found.cluster_name)
        assert code == 0 and f"removed by Mesos: {old}" in said and "the new framework" in said, said
        (new,) = found.living()
        assert new != old and found.up()[0] == 0
        eventually("what users had is back", WHOLE_SECONDS, whole)
        code, said = found.repair(found.cluster_name)
        assert code == 2 and "nothing to repair" in said, said
