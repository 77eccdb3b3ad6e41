"""Only an empty machine takes a place, and only while everybody else of its quorums works."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.errors import StepFailed, UnreachableError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.verbs.replace.work import refuse_alone, refuse_used
from tests.unit.builders import cluster

OURS = "00000000-0000-4000-8000-000000000000"
HOSTS = {h.name: h for h in cluster().hosts}


def seen(belongs: str = "", *, new: str = "m2", reachable: bool = True, sick: str = "") -> Observation:
    """One host is new; the others serve, but for one."""
    def health(name: str) -> dict[str, Any]:
        return {c: {"state": "down" if name in (new, sick) else "ok"} for c in ("zookeeper", "mesos_master", "consul")}

    return Observation({name: HostObservation(name != new or reachable, "no route", {"cluster": belongs if name == new else f"{OURS} c"},
                                              health(name)) for name in HOSTS})


def test_an_empty_machine_is_welcome() -> None:
    refuse_used(seen().hosts["m2"], "m2", OURS)
    refuse_alone(HOSTS["m2"], cluster(), seen())


@pytest.mark.parametrize(("belongs", "says"), [(f"{OURS} c", "belongs to this cluster"), ("another theirs", "belongs to another cluster")])
def test_a_machine_that_belongs_somewhere_is_none(belongs: str, says: str) -> None:
    with pytest.raises(StepFailed, match=says):
        refuse_used(seen(belongs).hosts["m2"], "m2", OURS)


def test_nothing_is_done_while_it_does_not_answer() -> None:
    with pytest.raises(UnreachableError, match="nothing was changed: no route"):
        refuse_used(seen(reachable=False).hosts["m2"], "m2", OURS)


def test_nor_while_another_voter_is_missing() -> None:
    with pytest.raises(StepFailed, match="ZooKeeper does not work on m3, and m2 counts as missing too"):
        refuse_alone(HOSTS["m2"], cluster(), seen(sick="m3"))
    refuse_alone(HOSTS["a1"], cluster(), seen(new="a1", sick="m3"))
