"""How the Mesos stand-in follows ZooKeeper, with a fake of the small part of kazoo that it uses."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from kazoo.client import KazooState
from kazoo.exceptions import NoAuthError, NoNodeError

from tests.unit.mesos_standin_samples import Json, make_leader, run, settle

from mesos_standin import process, zookeeper  # isort: skip
from mesos_standin.master.main import Election, master_info


class Tree:
    """The znodes of a fake ensemble."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}
        self.acls: dict[str, Any] = {}
        self.number = 0
        self.sessions = 0
        self.forbidden = False
        self.watches: list[tuple[str, Callable[[Any], None]]] = []

    def changed(self, path: str) -> None:
        """Fires the child watches of a directory, once each."""
        fired = [watch for watch in self.watches if watch[0] == path]
        self.watches = [watch for watch in self.watches if watch[0] != path]
        for _, watch in fired:
            watch(None)

    def remove(self, path: str) -> None:
        """What the end of a session does to an ephemeral znode."""
        del self.nodes[path]
        self.changed(path.rpartition("/")[0])


class FakeKazoo:
    """A client of a Tree; the test moves its state."""

    def __init__(self, tree: Tree, hosts: str, **options: Any) -> None:
        self.tree, self.hosts, self.options = tree, hosts, options
        self.client_id: tuple[int, bytes] | None = None
        self._listeners: list[Callable[[str], Any]] = []

    def add_listener(self, listener: Callable[[str], Any]) -> None:
        self._listeners.append(listener)

    def start_async(self) -> None:
        self.tree.sessions += 1
        self.client_id = (self.tree.sessions, b"")
        self.move(KazooState.CONNECTED)

    def move(self, state: str) -> None:
        """Tells the listeners a new state."""
        for listener in self._listeners:
            listener(state)

    def ensure_path(self, path: str, acl: Any) -> None:
        self.tree.acls.setdefault(path, acl)

    def create(self, path: str, data: bytes, acl: Any, ephemeral: bool, sequence: bool) -> None:
        assert ephemeral
        assert sequence
        if self.tree.forbidden:
            raise NoAuthError
        self.tree.nodes[f"{path}{self.tree.number:010d}"] = data
        self.tree.acls[path] = acl
        self.tree.number += 1
        self.tree.changed(path.rpartition("/")[0])

    def get_children(self, path: str, watch: Callable[[Any], None]) -> list[str]:
        self.tree.watches.append((path, watch))
        return [name.rpartition("/")[2] for name in self.tree.nodes if name.rpartition("/")[0] == path]

    def get(self, path: str) -> tuple[bytes, None]:
        if path not in self.tree.nodes:
            raise NoNodeError
        return self.tree.nodes[path], None


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> Tree:
    """An empty ensemble."""
    found = Tree()
    monkeypatch.setattr(zookeeper, "KazooClient", lambda hosts, **options: FakeKazoo(found, hosts, **options))
    monkeypatch.setattr(process, "_sinks", [])
    return found


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages with which the process would have ended; what it was doing is cancelled instead."""
    messages: list[str] = []

    def end(message: str) -> NoReturn:
        messages.append(message)
        raise asyncio.CancelledError

    monkeypatch.setattr(process, "exit_with", end)
    return messages


def join(port: int, zk: str = "zk://a:2181/mesos", seconds: float = 0.2) -> tuple[Election, FakeKazoo]:
    """A master that joins."""
    info: Json = master_info("127.0.0.1", port, "127.0.0.1")
    election = Election(info)
    election.leader = make_leader()
    election.leader.info = info
    session = zookeeper.Session(zookeeper.parse_url(zk), seconds)
    election.follow(session)
    return election, session.client


async def becomes(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until it is so: election and callbacks run in threads of their own, and a busy machine takes its time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


def test_the_first_master_leads_and_the_next_follows_it(tree: Tree, ended: list[str]) -> None:
    async def work() -> None:
        first, _ = join(5050)
        await becomes(lambda: first.address() == "127.0.0.1:5050")
        second, _ = join(5060)
        await becomes(lambda: second.address() != "" and len(second.replicas) == 2)
        assert first.leader and second.leader
        assert (first.leader.elected, second.leader.elected) == (True, False)
        assert (first.address(), second.address()) == ("127.0.0.1:5050", "127.0.0.1:5050")
        assert second.replicas == {"127.0.0.1:5050", "127.0.0.1:5060"}
        shown = sorted(path for path in tree.nodes if zookeeper.PREFIX in path)
        assert json.loads(tree.nodes[shown[0]])["pid"] == "master@127.0.0.1:5050"
        tree.remove(shown[0])
        await becomes(lambda: second.address() == "127.0.0.1:5060")
        assert second.leader.elected
        await becomes(lambda: ended != [])

    run(work)
    assert ended == ["Lost leadership... committing suicide!"]


def test_a_follower_knows_no_leader_without_zookeeper(tree: Tree) -> None:
    async def work() -> None:
        first, _ = join(5050)
        await becomes(lambda: first.address() != "")
        second, client = join(5060)
        await becomes(lambda: second.address() == "127.0.0.1:5050")
        client.move(KazooState.SUSPENDED)
        assert second.address() == "127.0.0.1:5050"
        await becomes(lambda: second.address() == "")
        client.move(KazooState.CONNECTED)
        await becomes(lambda: second.address() == "127.0.0.1:5050")
        assert len([path for path in tree.nodes if zookeeper.PREFIX in path]) == 2

    run(work)


def test_a_short_interruption_changes_nothing(tree: Tree, ended: list[str]) -> None:
    async def work() -> None:
        first, client = join(5050)
        await becomes(lambda: first.address() != "")
        client.move(KazooState.SUSPENDED)
        client.move(KazooState.CONNECTED)
        await settle(0.3)
        assert first.address() == "127.0.0.1:5050"

    run(work)
    assert ended == []


@pytest.mark.parametrize("state", [KazooState.SUSPENDED, KazooState.LOST])
def test_a_leader_without_zookeeper_ends(state: str, tree: Tree, ended: list[str]) -> None:
    async def work() -> None:
        leader, client = join(5050)
        await becomes(lambda: leader.address() != "")
        client.move(state)
        await becomes(lambda: ended != [])

    run(work)
    assert ended[0] == "Lost candidacy as a leader... committing suicide!"


def test_an_expired_follower_joins_again(tree: Tree) -> None:
    async def work() -> None:
        first, _ = join(5050)
        await becomes(lambda: first.address() != "")
        second, client = join(5060)
        await becomes(lambda: second.address() != "")
        client.move(KazooState.LOST)
        client.client_id = (99, b"")
        client.move(KazooState.CONNECTED)
        await becomes(lambda: len([path for path in tree.nodes if "log_replicas" in path]) == 3)

    run(work)


def test_a_password_makes_znodes_readable_only(tree: Tree) -> None:
    async def work() -> None:
        leader, client = join(5050, "zk://mesos:pw@a:2181/mesos")
        await becomes(lambda: leader.address() != "")
        assert client.options["auth_data"] == [("digest", "mesos:pw")]
        shown = [(acl.id.scheme, acl.perms) for acl in tree.acls["/mesos"]]
        assert shown == [("world", 1), ("auth", 31)]

    run(work)


def test_a_master_with_a_wrong_password_ends(tree: Tree, ended: list[str]) -> None:
    async def work() -> None:
        tree.forbidden = True
        join(5050, "zk://mesos:wrong@a:2181/mesos")
        await becomes(lambda: ended != [])

    run(work)
    assert ended[0].endswith("'/mesos/log_replicas/' in ZooKeeper: not authenticated")
