"""The registry: which agents belong to the cluster, in which state, and the maintenance schedule; written by a quorum."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mesos_standin import process, web_client
from mesos_standin.master.replica import EMPTY, STARTING, VOTING, Json, Replica, newest

Ask = Callable[[str, Json], Awaitable[Json]]
_NEW: Json = {"agents": {}, "unreachable": {}, "gone": {}, "machines": {}, "schedule": {}}


async def ask_over_http(address: str, message: Json) -> Json:
    """Sends one message to another master's replica; {} when it does not answer."""
    try:
        link = await web_client.post(address, "/standin/log", message, timeout=5)
    except web_client.Unreachable:
        return {}
    answer: Json = json.loads(link.body) if link.status == 200 else {}
    return answer


class Registrar:
    """The leader's access to the registry, and every master's way of joining the replicas.

    `peers` gives the addresses of all replicas that ZooKeeper lists (self included or not).
    """

    def __init__(self, replica: Replica, own: str, quorum: int, peers: Callable[[], set[str]], ask: Ask) -> None:
        self.replica = replica
        self.value: Json = {}
        self.timings: dict[str, float] = {}
        self._own, self._quorum, self._peers, self._ask = own, quorum, peers, ask
        self._epoch = 0
        self._version = 0
        self._lock = asyncio.Lock()

    async def join(self, auto_initialize: bool) -> None:
        """Brings this replica from EMPTY to VOTING: with a quorum that votes, or with all 2q-1 when none ever voted."""
        everyone = 2 * self._quorum - 1
        while not self.replica.voting:
            answers = await self._broadcast({"type": "status"}, lambda _: False)
            found = [answer.get("status") for answer in answers]
            status = self.replica.state["status"]
            if found.count(VOTING) >= self._quorum > 0:
                await self._catch_up()
            elif auto_initialize and status == EMPTY and len(found) - found.count(VOTING) >= everyone > 0:
                self.replica.become(STARTING)
            elif status == STARTING and len(found) - found.count(EMPTY) >= everyone:
                self.replica.become(VOTING)
            else:
                await asyncio.sleep(0.3)
        process.info("Replica is in VOTING status")

    async def _catch_up(self) -> None:
        states = [a for a in await self._broadcast({"type": "fetch"}, lambda _: False) if a.get("ok")]
        if len(states) >= self._quorum:
            best = newest(states)
            self.replica.become(VOTING, {key: best[key] for key in ("promised", "epoch", "version", "value")})
            process.info("Successfully joined the Paxos group")

    async def recover(self, master_info: Json, timeout: float, shown: str) -> None:
        """Reads the registry as the new leader; ends the process by SIGABRT when no quorum answers in time."""
        process.info("Recovering from registrar")
        began = time.monotonic()
        while not await self._elect():
            if time.monotonic() - began > timeout:
                process.fatal(f"Recovery failed: Failed to recover registrar: Failed to perform fetch within {shown}")
            await asyncio.sleep(0.5)
        self.timings["registrar/state_fetch_ms"] = (time.monotonic() - began) * 1000
        self.value = {**copy.deepcopy(_NEW), **self.value, "master": master_info}
        if not await self._write(self.value, timeout):
            process.fatal(f"Recovery failed: Failed to recover registrar: Failed to perform store within {shown}")
        process.info("Successfully recovered registrar")

    async def _elect(self) -> bool:
        self._epoch = max(self._epoch, int(self.replica.state["promised"])) + 1
        answers = await self._broadcast({"type": "promise", "epoch": self._epoch}, self._enough)
        states = [answer for answer in answers if answer.get("ok")]
        if len(states) < self._quorum or self._quorum < 1:
            self._epoch = max([self._epoch, *(int(answer.get("promised", 0)) for answer in answers)])
            return False
        self._version, self.value = 0, copy.deepcopy(newest(states)["value"])
        return True

    async def apply(self, change: Callable[[Json], Any], timeout: float, purpose: str) -> None:
        """Changes the registry: a quorum has stored it when this returns. Aborts the process otherwise (item 12)."""
        async with self._lock:
            value = copy.deepcopy(self.value)
            change(value)
            began = time.monotonic()
            if not await self._write(value, timeout):
                process.fatal(
                    f"CHECK_READY(result): is FAILED: Failed to update registry: Failed to perform store within {timeout:g}secs {purpose}"
                )
            self.value = value
            self.timings["registrar/state_store_ms"] = (time.monotonic() - began) * 1000

    async def _write(self, value: Json, timeout: float) -> bool:
        self._version += 1
        message = {"type": "write", "epoch": self._epoch, "version": self._version, "value": value}
        deadline = time.monotonic() + timeout
        while True:
            # Its own copy comes last: a write that too few others took is not kept, as recorded (contract item 12).
            answers = await self._ask_peers(message, lambda some: self._count(some) >= self._quorum - 1)
            if self._count(answers) >= self._quorum - 1:
                answers.append(self.replica.handle(message))
            if any(int(answer.get("promised", 0)) > self._epoch for answer in answers):
                process.fatal("Recovery failed: Lost the coordinator role to another master")
            if self._enough(answers):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.5)

    def _enough(self, answers: list[Json]) -> bool:
        return self._count(answers) >= self._quorum

    def _count(self, answers: list[Json]) -> int:
        return sum(1 for answer in answers if answer.get("ok"))

    async def _broadcast(self, message: Json, enough: Callable[[list[Json]], bool]) -> list[Json]:
        own = self.replica.handle(message)
        return [own, *await self._ask_peers(message, lambda some: enough([own, *some]))]

    async def _ask_peers(self, message: Json, enough: Callable[[list[Json]], bool]) -> list[Json]:
        answers: list[Json] = []
        pending = {asyncio.ensure_future(self._ask(peer, message)) for peer in self._peers() - {self._own}}
        while pending and not enough(answers):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            answers += [answer for answer in (task.result() for task in done) if answer]
        return answers

    def size(self) -> tuple[int, int]:
        """(bytes of the registry, replicas in the ensemble)."""
        return len(json.dumps(self.value)), max(1, len(self._peers() | {self._own}))
