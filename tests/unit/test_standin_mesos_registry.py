"""The Mesos stand-in's registry on several masters: what a quorum agreed on survives, and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.unit.mesos_standin_samples import Json, run

from mesos_standin import process  # isort: skip
from mesos_standin.master.registrar import Registrar
from mesos_standin.master.replica import EMPTY, STARTING, VOTING, Replica


class Aborted(BaseException):
    """The process would have aborted."""


@pytest.fixture(autouse=True)
def no_abort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns an abort into an exception."""

    def fatal(message: str) -> NoReturn:
        raise Aborted(message)

    monkeypatch.setattr(process, "fatal", fatal)


class Ensemble:
    """Replicas that reach each other unless they are down."""

    def __init__(self, folder: Path | None = None) -> None:
        self.replicas: dict[str, Replica] = {}
        self.down: set[str] = set()
        self._folder = folder

    async def ask(self, address: str, message: Json) -> Json:
        """Another master's answer."""
        return {} if address in self.down else self.replicas[address].handle(message)

    def registrar(self, name: str, quorum: int) -> Registrar:
        """A master with its own copy; the copy is kept when the master starts again."""
        if name not in self.replicas:
            self.replicas[name] = Replica(self._folder / name if self._folder else None)
        return Registrar(self.replicas[name], name, quorum, lambda: set(self.replicas), self.ask)


async def voting(ensemble: Ensemble, names: str, quorum: int) -> list[Registrar]:
    """Masters that have joined."""
    registrars = [ensemble.registrar(name, quorum) for name in names]
    await asyncio.gather(*(registrar.join(True) for registrar in registrars))
    return registrars


def schedule(value: str) -> Any:
    """A registry change."""

    def change(registry: Json) -> None:
        registry["schedule"] = {"windows": [value]}

    return change


async def recover(registrar: Registrar) -> Json:
    """The registry as a new leader reads it."""
    await registrar.recover({"id": "m"}, 0.3, "300ms")
    return registrar.value


def test_new_replicas_vote_only_when_all_are_there() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        two = [ensemble.registrar(name, 2) for name in "ab"]
        joining = asyncio.gather(*(registrar.join(True) for registrar in two))
        await asyncio.sleep(0.1)
        assert {replica.state["status"] for replica in ensemble.replicas.values()} == {EMPTY}
        await ensemble.registrar("c", 2).join(True)
        await joining
        assert all(replica.voting for replica in ensemble.replicas.values())

    run(work)


def test_without_auto_initialize_nothing_starts() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        registrar = ensemble.registrar("a", 1)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(registrar.join(False), 0.1)
        assert registrar.replica.state["status"] == EMPTY

    run(work)


def test_a_wiped_follower_catches_up() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        first, *_ = await voting(ensemble, "abc", 2)
        await recover(first)
        await first.apply(schedule("x"), 1, "")
        ensemble.replicas["c"] = Replica(None)
        await ensemble.registrar("c", 2).join(True)
        assert ensemble.replicas["c"].state["value"]["schedule"] == {"windows": ["x"]}

    run(work)


def test_the_registry_survives_the_leader(tmp_path: Path) -> None:
    async def work() -> None:
        ensemble = Ensemble(tmp_path)
        first, *_ = await voting(ensemble, "abc", 2)
        await recover(first)
        await first.apply(schedule("x"), 1, "")
        ensemble.down.add("a")
        ensemble.replicas["b"] = Replica(tmp_path / "b")
        assert (await recover(ensemble.registrar("b", 2)))["schedule"] == {"windows": ["x"]}

    run(work)


def test_a_lone_leader_cannot_recover() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        first, *_ = await voting(ensemble, "abc", 2)
        ensemble.down = {"b", "c"}
        with pytest.raises(Aborted, match="Failed to perform fetch within 300ms"):
            await recover(first)

    run(work)


def test_a_write_without_a_quorum_aborts_and_is_not_kept() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        first, second, _ = await voting(ensemble, "abc", 2)
        await recover(first)
        ensemble.down = {"b", "c"}
        with pytest.raises(Aborted, match=r"store within 0\.1secs Failed to update"):
            await first.apply(schedule("lost"), 0.1, "Failed to update maintenance schedule in the registry")
        ensemble.down = set()
        assert (await recover(second))["schedule"] == {}

    run(work)


def test_an_old_leader_cannot_write_after_a_new_one() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        first, second, _ = await voting(ensemble, "abc", 2)
        await recover(first)
        await recover(second)
        with pytest.raises(Aborted, match="Lost the coordinator role"):
            await first.apply(schedule("old"), 1, "")

    run(work)


def test_unequal_quorums_lose_an_acknowledged_write() -> None:
    """NODES.md 6: five masters, three of them still with quorum 2."""

    async def work() -> None:
        ensemble = Ensemble()
        first, *_ = await voting(ensemble, "abc", 2)
        await voting(ensemble, "de", 3)
        await recover(first)
        ensemble.down = {"c", "d", "e"}
        await first.apply(schedule("acknowledged"), 1, "")
        ensemble.down = {"a", "b"}
        assert (await recover(ensemble.registrar("d", 3)))["schedule"] == {}

    run(work)


def test_a_quorum_below_one_never_recovers() -> None:
    async def work() -> None:
        ensemble = Ensemble()
        ensemble.registrar("a", 1).replica.become(VOTING)
        with pytest.raises(Aborted):
            await recover(ensemble.registrar("a", -1))

    run(work)


def test_a_replica_that_does_not_vote_agrees_to_nothing() -> None:
    replica = Replica(None)
    replica.become(STARTING)
    assert replica.handle({"type": "promise", "epoch": 1})["ok"] is False
    assert replica.handle({"type": "status"}) == {"ok": True, "status": STARTING}
