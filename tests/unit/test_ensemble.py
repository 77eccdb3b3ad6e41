"""Quorums grow in the order that loses nothing, and what would lose something is refused."""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.cluster.model import Cluster
from provisioner.components import component
from provisioner.components.mesos_master.ensemble import refuse_to_shrink
from provisioner.components.zookeeper.ensemble import shrink
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.make import make_plan
from provisioner.plan.quorum import growth, margins
from provisioner.plan.steps import Step
from tests.unit.builders import agents, as_voter, cluster, masters, observed, rendered

VOTER = ("masters", "consul", "consul_server", "zookeeper", "mesos_master")


def voting(size: int) -> Cluster:
    """So many masters, and an agent that only is a client of Consul."""
    return cluster(*masters(size, VOTER), *agents(1, ("agents", "consul")))


def seen(name: str, running: dict[str, dict[str, Any]], leader: str = "", size: int = 5) -> Observation:
    def health(host: str) -> dict[str, dict[str, Any]]:
        return {name: {"state": "ok", "leader": host == leader, "facts": running[host]}} if host in running else {}

    return observed(voting(size), {h.name: health(h.name) for h in voting(size).hosts})


def grow(name: str, size: int, running: dict[str, dict[str, Any]], leader: str = "") -> list[Step] | None:
    members = [h.name for h in voting(size).members(name)]
    return growth(component(name), members, voting(size), seen(name, running, leader, size), rendered(voting(size), as_voter))


def zookeepers(*groups: tuple[int, ...]) -> dict[str, dict[str, Any]]:
    return {f"m{n}": {"servers": list(ids)} for n, ids in enumerate(groups, 1)}


def test_zookeeper_grows_one_member_at_a_time_the_new_one_first_the_leader_last() -> None:
    first, second = grow("zookeeper", 5, zookeepers((1, 2, 3), (1, 2, 3), (1, 2, 3)), leader="m2") or []
    assert (first.hosts, first.batch, first.expect) == (("m4", "m1", "m3", "m2"), 1, {"members": 4})
    assert [row["id"] for row in first.variables["zookeeper_servers"]] == [1, 2, 3, 4]
    assert (second.hosts[0], len(second.hosts), second.variables) == ("m5", 5, {}), "the last is the inventory's own"


def test_a_lone_zookeeper_and_its_first_peer_change_together_so_that_its_data_wins() -> None:
    first, second = grow("zookeeper", 3, zookeepers(()), leader="m1") or []
    assert (first.hosts, first.batch, [r["id"] for r in first.variables["zookeeper_servers"]]) == (("m1", "m2"), 0, [1, 2])
    assert (second.hosts[0], second.batch) == ("m3", 1)


def test_a_change_of_zookeeper_that_was_cut_off_goes_on_where_it_was() -> None:
    steps = grow("zookeeper", 5, zookeepers((1, 2, 3, 4), (1, 2, 3), (1, 2, 3), (1, 2, 3, 4)), leader="m3") or []
    assert [(s.hosts[0], s.expect["members"]) for s in steps] == [("m4", 4), ("m5", 5)]


def down(*holding: str) -> Observation:
    """No ZooKeeper serves; those named hold data."""
    return Observation({h.name: HostObservation(True, health={"zookeeper": {"state": "down", "facts": {"written": h.name in holding}}})
                        for h in voting(3).hosts})


def test_empty_disks_never_found_an_ensemble_beside_one_that_holds_data() -> None:
    hosts = ["m1", "m2", "m3"]
    with pytest.raises(StepFailed, match="of 3 ZooKeeper members only m2 still has data") as error:
        growth(component("zookeeper"), hosts, voting(3), down("m2"), rendered(voting(3), as_voter))
    assert "restore" in error.value.hint
    for fine in (down(), down("m1", "m3"), down(*hosts)):  # never built; one disk is new; nothing but a stop
        assert growth(component("zookeeper"), hosts, voting(3), fine, rendered(voting(3), as_voter)) is None


def test_an_ensemble_of_the_right_size_or_none_is_no_matter_of_size() -> None:
    assert grow("zookeeper", 3, zookeepers((1, 2, 3), (1, 2, 3), (1, 2, 3))) is None
    assert grow("zookeeper", 3, {}) is None
    assert grow("mesos_master", 3, {f"m{n}": {"quorum": 2, "ensemble_size": 3} for n in (1, 2, 3)}) is None


def test_a_member_that_the_inventory_lost_is_never_silently_dropped() -> None:
    with pytest.raises(StepFailed, match=r"ZooKeeper counts on member 4, member 5"):
        grow("zookeeper", 3, zookeepers((1, 2, 3, 4, 5)))
    with pytest.raises(StepFailed, match=r"5 Mesos masters keep the registry, but the inventory has 3"):
        grow("mesos_master", 3, {f"m{n}": {"quorum": 3, "ensemble_size": 5} for n in (1, 2, 3)})


def mesos_masters(*quorums: int) -> dict[str, dict[str, Any]]:
    return {f"m{n}": {"quorum": q, "ensemble_size": len(quorums)} for n, q in enumerate(quorums, 1)}


def test_running_mesos_masters_get_the_larger_quorum_before_others_join() -> None:
    old, new = grow("mesos_master", 5, mesos_masters(2, 2, 2), leader="m1") or []
    assert (old.hosts, old.batch, old.expect) == (("m2", "m3", "m1"), 1, {"masters": 3})
    assert (new.hosts, new.expect) == (("m4", "m5"), {})
    again, _ = grow("mesos_master", 5, mesos_masters(3, 2, 2), leader="m2") or []
    assert again.hosts == ("m1", "m3", "m2"), "cut off in the middle: all once more, which changes nothing where it is done"


def test_mesos_masters_whose_registry_can_not_grow_are_left_alone() -> None:
    with pytest.raises(StepFailed, match=r"1 Mesos master runs with quorum 1; the new quorum of 2 needs that many") as caught:
        grow("mesos_master", 3, mesos_masters(1))
    assert "the registry of a lone master can't grow" in caught.value.hint
    with pytest.raises(StepFailed, match=r"3 Mesos masters run with quorum 2; the new quorum of 4"):
        grow("mesos_master", 7, mesos_masters(2, 2, 2))


def test_a_smaller_quorum_after_removal_is_an_ordinary_roll() -> None:
    assert grow("mesos_master", 3, {f"m{n}": {"quorum": 3, "ensemble_size": 3} for n in (1, 2, 3)}) is None


def test_consul_servers_join_one_after_the_other_and_then_the_others_learn_of_them() -> None:
    peers = {f"m{n}": {"raft_peers": ["m1", "m2", "m3"]} for n in (1, 2, 3)}
    steps = grow("consul", 5, peers, leader="m1") or []
    assert [(s.hosts, s.expect) for s in steps] == [(("m4",), {"servers": 4}), (("m5",), {"servers": 5}), (("m2", "m3", "m1"), {}),
                                                    (("a1",), {})]


def test_a_change_of_size_concerns_all_members() -> None:
    with pytest.raises(UsageError, match="concerns all of them"):
        make_plan(voting(5), rendered(voting(5), as_voter), seen("zookeeper", zookeepers((1, 2, 3), (1, 2, 3), (1, 2, 3))), limit=("m4",))


def test_members_leave_zookeeper_one_at_a_time_and_stop_when_nobody_counts_on_them_any_more() -> None:
    running = seen("zookeeper", zookeepers(*[(1, 2, 3, 4, 5)] * 4))
    steps = shrink(["m4", "m5"], ["m5"], voting(5), running, rendered(voting(5), as_voter))
    assert [(s.verb, s.hosts) for s in steps] == [("up", ("m1", "m2", "m3", "m4")), ("drain", ("m4",)), ("up", ("m1", "m2", "m3")),
                                                  ("remove", ("m4",))]
    assert [[row["id"] for row in s.variables["zookeeper_servers"]] for s in steps if s.verb == "up"] == [[1, 2, 3, 4], [1, 2, 3]]
    assert [s.expect["members"] for s in steps if s.verb == "up"] == [4, 3]


def test_a_removal_that_was_cut_off_does_not_bring_back_who_is_out_already() -> None:
    running = seen("zookeeper", zookeepers(*[(1, 2, 3, 4)] * 4))
    steps = shrink(["m5", "m4"], [], voting(5), running, rendered(voting(5), as_voter))
    assert [(s.verb, s.hosts) for s in steps] == [("remove", ("m5",)), ("drain", ("m4",)), ("up", ("m1", "m2", "m3")), ("remove", ("m4",))]


@pytest.mark.parametrize(("size", "leaving", "lost", "hint"), [
    (5, ("m4", "m5"), (), ""), (5, ("m2", "m3", "m4", "m5"), (), "so that 3 stay"), (3, ("m2", "m3"), (), "can't become smaller"),
    (3, ("m2", "m3"), ("m3",), "can't become smaller"), (3, ("m2", "m3"), ("m2", "m3"), ""), (5, ("a1",), (), ""),
])
def test_masters_leave_only_while_a_majority_of_the_old_quorum_stays(size: int, leaving: tuple[str, ...], lost: tuple[str, ...],
                                                                    hint: str) -> None:
    if not hint:
        refuse_to_shrink(leaving, lost, voting(size))
        return
    with pytest.raises(StepFailed) as caught:
        refuse_to_shrink(leaving, lost, voting(size))
    assert hint in (caught.value.hint or "")


def test_what_a_quorum_can_spare() -> None:
    (found,) = margins(voting(5), seen("zookeeper", zookeepers((1,), (2,), (3,), (4,))))
    assert (found.members, found.serving, found.needed, found.spare) == (5, 4, 3, 1)
    assert str(found) == "ZooKeeper: 4 of 5 serve, 3 needed, 1 may be missing"
    assert margins(voting(5), seen("zookeeper", {})) == []


def test_a_quorum_that_was_not_asked_about_does_not_grow() -> None:
    found = seen("zookeeper", zookeepers((1, 2, 3), (1, 2, 3), (1, 2, 3)))
    assert make_plan(voting(5), rendered(voting(5), as_voter), found, only=("consul",)).steps
    assert all(s.component.name == "consul" for s in make_plan(voting(5), rendered(voting(5), as_voter), found, only=("consul",)).steps)
