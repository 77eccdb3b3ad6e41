"""What is removed in which order, and when nothing is: another cluster's host, a host that does not answer."""

from __future__ import annotations

import pytest

from provisioner.components import COMPONENTS
from provisioner.errors import StepFailed, UnreachableError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.verbs.reset.work import refuse, steps
from tests.unit.builders import cluster

OURS = "00000000-0000-4000-8000-000000000000"


def seen(cluster_file: str = "", *, away: str = "") -> Observation:
    return Observation({name: HostObservation(name != away, "no route", facts={"cluster": cluster_file if name == "m2" else ""})
                        for name in ("m1", "m2")})


def test_the_last_that_was_built_goes_first_on_all_hosts_at_once() -> None:
    found = steps(cluster(), (), data=False)
    assert [s.component for s in found] == [c for c in reversed(COMPONENTS) if cluster().members(c.name)]
    assert {(s.verb, s.batch) for s in found} == {("remove", 0)}


@pytest.mark.parametrize("data", [False, True])
def test_data_goes_only_when_asked_for(data: bool) -> None:
    told = {s.component.name: s.variables for s in steps(cluster(), (), data=data)}
    assert told["docker"]["docker_remove_data"] is data
    for name in ("zookeeper", "consul", "logstash"):
        assert told[name][f"{name}_keep_data"] is not data
    assert told["mesos_master"] == told["mesos_agent"] == {"mesos_keep_data": not data}
    assert told["marathon"] == {}


def test_hosts_left_out_are_not_touched() -> None:
    assert all("m2" not in s.hosts for s in steps(cluster(), ("m2",), data=True))


def test_another_clusters_host_stops_it() -> None:
    refuse(seen(f"{OURS} ours"), (), OURS, lost=False)
    with pytest.raises(StepFailed, match="nothing was changed: this host belongs to another cluster: theirs") as error:
        refuse(seen("ffffffff-0000-4000-8000-000000000000 theirs"), (), OURS, lost=False)
    assert error.value.where == "m2"


def test_a_silent_host_stops_it_unless_it_is_left_as_it_is() -> None:
    with pytest.raises(UnreachableError, match="nothing was changed: m1 does not answer: no route"):
        refuse(seen(away="m1"), ("m1",), OURS, lost=False)
    refuse(seen(away="m1"), ("m1",), OURS, lost=True)
