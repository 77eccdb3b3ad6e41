"""How the stand-ins' members lead, follow and end, against a ZooKeeper in memory: each manner was read from the real programs' sources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooState
from kazoo.security import OPEN_ACL_UNSAFE

import chronos_standin.config
import marathon_standin.config
from chronos_standin.member import ChronosMember
from chronos_standin.member import spec_of as chronos_spec
from marathon_standin.member import MarathonMember
from marathon_standin.scheduler import Scheduler, Settings
from mesos_framework import election, member
from mesos_framework.http_api import Answer, Api, Leadership, Route
from mesos_framework.member import Member
from mesos_framework.mesos_client import MesosScheduler, RefusedError, RemovedError
from mesos_framework.urls import ZkUrl
from znodes import Session, Znodes

MARATHON_ID, CHRONOS_ID = "/marathon/state/framework-id/b/id", "/chronos/state/frameworkId"
INSTANCE = {"task_id": "t", "app_id": "/a", "version": "1", "agent_id": "S", "host": "a1", "address": "10.0.0.9", "ports": []}


class Ended(Exception):
    """The process ends here; its status."""


class Process:
    """What a member would do to the process, the threads it starts, and what Mesos answers."""

    def __init__(self) -> None:
        self.nodes = Znodes()
        self.threads: list[Callable[[], None]] = []
        self.registrations: list[dict[str, Any]] = []
        self.answer: Exception | None = None

    def end(self, code: int, _why: str) -> None:
        raise Ended(code)

    def connect(self, url: ZkUrl, _on_lost: Callable[[], None], acl: Any = (), *, patient: bool = True) -> Session:
        del patient
        return Session(self.nodes, url.auth, acl)

    def run(self, scheduler: MesosScheduler) -> None:
        self.registrations.append(scheduler.framework_info)
        if self.answer:
            raise self.answer


def register(leading: Member) -> None:
    """What the thread of a leader's driver does."""
    assert leading.mesos is not None
    leading.register(leading.mesos)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Process:
    made = Process()
    monkeypatch.setattr(member, "end", made.end)
    monkeypatch.setattr(member, "connect", made.connect)
    monkeypatch.setattr(election, "connect", made.connect)
    monkeypatch.setattr(threading.Timer, "start", lambda _timer: None)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(Member, "start", lambda _member, work: made.threads.append(work))
    monkeypatch.setattr(MesosScheduler, "run", lambda scheduler: made.run(scheduler))
    return made


def marathon(host: str = "m1", login: str = "") -> MarathonMember:
    at = f"zk://{login}@10.0.0.1:2181/marathon" if login else "zk://10.0.0.1:2181/marathon"
    return MarathonMember(marathon_standin.config.configure({"MARATHON_MASTER": "10.0.0.1:5050", "MARATHON_ZK": at,
                                                             "MARATHON_HOSTNAME": host}, []))


def chronos(host: str = "m1", login: str = "") -> ChronosMember:
    words = ["--master", "10.0.0.1:5050", "--zk_hosts", "10.0.0.1:2181", "--zk_path", "/chronos", "--hostname", host, "--http_port", "4400"]
    return ChronosMember(chronos_spec(chronos_standin.config.configure([*words, *(["--zk_auth", login] if login else [])])))


def brain(of: Member) -> Any:
    """A scheduler; Marathon's will do for Chronos, where only loading matters."""
    return Scheduler(of.store, of.emit, Settings())


def enter(*members: Member) -> None:
    """One after the other into the election, and each looks who leads."""
    for each in members:
        each.latch.enter()
        each.latch.look()


# Leading -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "node"), [(marathon, MARATHON_ID), (chronos, CHRONOS_ID)])
def test_the_frameworks_id_is_kept_where_the_real_one_keeps_it(process: Process, make: Callable[[], Member], node: str) -> None:
    first = make()
    first.lead(brain(first))
    register(first)
    assert "id" not in process.registrations[0]
    assert first.mesos is not None
    first.mesos.framework_info["id"] = {"value": "F-1"}
    first.mesos.on_event({"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": "F-1"}}})
    assert process.nodes.data[node] == b"F-1"
    second = make()
    second.lead(brain(second))
    register(second)
    assert process.registrations[1]["id"] == {"value": "F-1"}


def test_a_marathon_takes_no_new_id_while_instances_are_stored(process: Process) -> None:
    first = marathon()
    first.store.put("instance", "t", INSTANCE)
    with pytest.raises(Ended, match="108"):
        first.lead(brain(first))
    first.store.drop("instance", "t")
    first.lead(brain(first))
    assert first.leads()


def test_a_marathon_answers_only_when_it_has_read_everything_and_a_chronos_at_once(process: Process) -> None:
    seen: dict[str, bool] = {}
    for name, each in (("marathon", marathon()), ("chronos", chronos())):
        found = brain(each)
        found.load = lambda name=name, each=each: seen.setdefault(name, each.leads())
        each.lead(found)
        assert each.leads()
    assert seen == {"marathon": False, "chronos": True}


def test_a_chronos_that_can_not_read_its_id_leads_without_a_driver(process: Process) -> None:
    chronos().store.write("frameworkId", "F-1")
    process.nodes.rules[CHRONOS_ID] = []
    blind = chronos()
    late = brain(blind)
    late.load = lambda: process.nodes.rules.update({CHRONOS_ID: OPEN_ACL_UNSAFE})
    blind.lead(late)
    assert blind.leads()
    assert (len(process.threads), blind.framework_id()) == (1, ""), "it has a driver, or does not queue jobs"
    again = chronos()
    again.lead(brain(again))
    register(again)
    assert process.registrations == [{**again.spec.framework_info("F-1")}]


def test_a_marathon_that_can_not_read_its_id_ends(process: Process) -> None:
    marathon().store.write("framework-id/b/id", "F-1")
    process.nodes.rules[MARATHON_ID] = []
    blind = marathon()
    with pytest.raises(Ended, match="104"):
        blind.lead(brain(blind))


@pytest.mark.parametrize(("make", "node", "status"), [(marathon, MARATHON_ID, "110"), (chronos, CHRONOS_ID, "1")])
def test_a_removed_framework_ends_every_member_in_turn_and_its_id_stays(process: Process, make: Callable[[], Member], node: str,
                                                                       status: str) -> None:
    make().store.write(node.removeprefix("/marathon/state/").removeprefix("/chronos/state/"), "F-1")
    process.answer = RemovedError("Framework has been removed")
    for _ in range(2):
        turn = make()
        enter(turn)
        turn.lead(brain(turn))
        with pytest.raises(Ended, match=f"^{status}$"):
            register(turn)
    assert process.nodes.data[node] == b"F-1"


def test_a_marathon_that_mesos_refuses_ends_with_another_status(process: Process) -> None:
    process.answer = RefusedError("401")
    refused = marathon()
    refused.lead(brain(refused))
    with pytest.raises(Ended, match="106"):
        register(refused)


def test_a_marathon_ends_when_mesos_leader_changes_and_a_chronos_goes_on(process: Process) -> None:
    one = marathon()
    enter(one)
    with pytest.raises(Ended, match="103"):
        one.disconnected()
    assert not [path for path in process.nodes.data if "-latch-" in path], "the next member has to wait for its session"
    with pytest.raises(Ended, match="103"):
        one.disconnected()  # its node is gone already
    chronos().disconnected()


def test_heartbeats_are_missed_as_long_as_the_flags_of_a_marathon_say(process: Process) -> None:
    assert (marathon().spec.heartbeat_seconds, chronos().spec.heartbeat_seconds) == (75.0, float("inf"))


# The election --------------------------------------------------------------------------------------------------------


def test_marathons_with_and_without_credentials_form_no_group(process: Process) -> None:
    old, other, new = marathon("m1"), marathon("m2"), marathon("m3", "marathon:pw")
    enter(old, other, new)
    assert (other.leader(), new.leader()) == ("m1:8080", "m1:8080"), "whoever has credentials can read everything"
    assert (other.latch.look(), other.leader()) == (False, ""), "a follower without them knows no leader from now on"
    assert old.latch.look() is True
    with pytest.raises(Ended, match="103"):
        old.defeated()
    assert [(each.latch.look(), each.latch.elected) for each in (other, new)] == [(False, False)] * 2, "nobody can lead"


def test_a_marathon_with_credentials_follows_one_without_when_no_other_stands_between(process: Process) -> None:
    old, new = marathon("m1"), marathon("m2", "marathon:pw")
    enter(old, new)
    assert old.latch.look() is True
    with pytest.raises(Ended, match="103"):
        old.defeated()
    assert new.latch.look() is True
    again = marathon("m1")
    enter(again)
    assert (again.latch.elected, new.latch.look(), new.leader()) == (False, False, "m2:8080")


def test_chronos_forms_one_group_with_and_without_credentials(process: Process) -> None:
    old, new = chronos("m1"), chronos("m2", "chronos:pw")
    enter(old, new)
    assert old.latch.look() is False
    assert (old.latch.elected, new.leader()) == (True, "m1:4400")
    new.store.put("jobs", "x", {})
    assert old.store.load("jobs") == {"x": {}}, "what is stored with credentials can be read without"


def test_the_next_in_line_leads_when_the_first_leaves(process: Process) -> None:
    first, second = marathon("m1"), marathon("m2")
    enter(first, second)
    first.latch.leave()
    assert second.latch.look() is True
    assert second.leader() == "m2:8080"


def test_a_chronos_answers_itself_while_its_last_life_is_in_the_election(process: Process) -> None:
    before, now = chronos("m1"), chronos("m1")
    enter(before, now)
    api = Api((Route("GET", "/jobs", lambda _r: Answer(200, [])),), Leadership("m1:4400", now.leader, now.leads), now.spec.manners)
    assert (now.latch.elected, api.answer("GET", "/jobs", b"", {}).status) == (False, 200)


@pytest.mark.parametrize(("make", "status"), [(marathon, 502), (chronos, 500)])
def test_a_follower_that_knows_no_leader_fails(process: Process, make: Callable[[], Member], status: int) -> None:
    lone = make()
    api = Api((), Leadership(lone.spec.own, lone.leader, lone.leads), lone.spec.manners)
    assert api.answer("GET", "/ping", b"", {}).status == status


@pytest.mark.parametrize(("patient", "calls"), [(True, 1), (False, 2)])
def test_a_moment_without_zookeeper_ends_a_marathon_only(monkeypatch: pytest.MonkeyPatch, patient: bool, calls: int) -> None:
    listeners: list[Callable[[str], None]] = []

    class Client:
        def __init__(self, **_settings: object) -> None:
            pass

        def start(self, timeout: float) -> None:
            pass

        def add_listener(self, listener: Callable[[str], None]) -> None:
            listeners.append(listener)

    monkeypatch.setattr(election, "KazooClient", Client)
    lost = threading.Semaphore(0)
    election.connect(ZkUrl("h:1", "/x"), lost.release, patient=patient)
    for state in (KazooState.SUSPENDED, KazooState.CONNECTED, KazooState.LOST):
        listeners[0](state)
    assert all(lost.acquire(timeout=5) for _ in range(calls))
    assert not lost.acquire(timeout=0.1)
