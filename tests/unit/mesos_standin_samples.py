"""Parts of the Mesos stand-in without processes and sockets, and the recordings of the real one, for its tests."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).parents[2] / "lab/stand_ins/mesos/rootfs/usr/lib/mesos-standin"))

from mesos_standin import web
from mesos_standin.flags import load
from mesos_standin.master.leader import Leader
from mesos_standin.master.main import master_info
from mesos_standin.master.registrar import Registrar
from mesos_standin.master.replica import VOTING, Replica
from mesos_standin.master.routes import Routes
from mesos_standin.master.scheduler_api import Scheduler
from mesos_standin.resources import parse_attributes, parse_resources

Json = dict[str, Any]
T = TypeVar("T")
DATA = Path(__file__).parents[1] / "data" / "mesos_contract"
CALL_HEADERS = {"content-type": "application/json", "accept": "application/json"}


def recorded(name: str) -> Any:
    """One file of recordings."""
    return json.loads((DATA / f"{name}.json").read_text())


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Runs a coroutine function to its end, with a limit so that a fault cannot hang the suite."""

    async def limited() -> T:
        return await asyncio.wait_for(work(), 20)

    return asyncio.run(limited())


async def unreachable(_address: str, _message: Json) -> Json:
    """Other masters that never answer."""
    return {}


class Sent(list[Json]):
    """What was sent over streams: JSON messages to agents, events to frameworks."""

    def record(self, chunk: bytes) -> None:
        """Takes one chunk."""
        self.append(json.loads(chunk.partition(b"\n")[2] or chunk))

    def events(self, kind: str) -> list[Json]:
        """The messages of one type."""
        return [message for message in self if message["type"] == kind]


def make_leader(*argv: str, quorum: int = 1, credentials: dict[str, str] | None = None) -> Leader:
    """A master at 127.0.0.1:5050 without ZooKeeper; call elect() and settle() to make it lead."""
    replica = Replica(None)
    replica.become(VOTING)
    info = master_info("127.0.0.1", 5050, "127.0.0.1")
    registrar = Registrar(replica, "127.0.0.1:5050", quorum, set, unreachable)
    flags = load("master", ["--ip=127.0.0.1", "--port=5050", "--cluster=contract", *argv], {})
    return Leader(flags, info, registrar, credentials or {})


async def settle(seconds: float = 0.02) -> None:
    """Lets background work run."""
    await asyncio.sleep(seconds)


async def elected(*argv: str, agents: int = 2) -> Leader:
    """A leader that has recovered, with this many registered agents."""
    leader = make_leader(*argv)
    leader.elect()
    await settle()
    assert leader.recovered
    for number in range(1, agents + 1):
        await leader.agents.register(form(number))
    return leader


def form(number: int, **more: Any) -> Json:
    """The registration of the recorded agent a1 or a2."""
    info = {
        "hostname": "127.0.0.1",
        "port": 5041 + 10 * number,
        "resources": parse_resources("cpus:2;mem:1024;disk:2048;ports:[31000-31999]", "/").v1(),
        "attributes": parse_attributes(f"rack:a{number};zone:z1"),
    }
    return {"agent_info": info, "pid": f"slave(1)@127.0.0.1:{info['port']}", "version": "1.11.0-standin", **more}


def request(method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> web.Request:
    """A request as the server hands it to the routes."""
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return web.Request(method, path, {}, lower, (body or "").encode(), "127.0.0.1:40000")


async def ask(leader: Leader, method: str, path: str, body: str | None = None) -> web.Response:
    """The complete answer of a master."""
    answer = await Routes(leader, lambda: "127.0.0.1:5050").answer(request(method, path, body, CALL_HEADERS))
    assert isinstance(answer, web.Response)
    return answer


async def call(leader: Leader, kind: str, **content: Any) -> web.Response:
    """An operator call."""
    return await ask(leader, "POST", "/api/v1", json.dumps({"type": kind, kind.lower(): content}))


def differences(want: Any, got: Any, path: str = "") -> list[str]:
    """Where two JSON values differ in keys or types; lists are compared by their first entries."""
    if isinstance(want, dict) and isinstance(got, dict):
        found = [f"{path}/{key} missing" for key in want.keys() - got.keys()]
        found += [f"{path}/{key} extra" for key in got.keys() - want.keys()]
        return found + [d for key in want.keys() & got.keys() for d in differences(want[key], got[key], f"{path}/{key}")]
    if isinstance(want, list) and isinstance(got, list):
        if want and got:
            return differences(want[0], got[0], f"{path}[]")
        return [] if bool(want) == bool(got) else [f"{path}: {len(want)} entries recorded, {len(got)} answered"]
    return [] if type(want) is type(got) else [f"{path}: {type(want).__name__} recorded, {type(got).__name__} answered"]


class World:
    """A leader, one subscribed framework, and what was sent."""

    def __init__(self, leader: Leader, sent: Sent, **info: Any) -> None:
        self.leader = leader
        self.sent = sent
        self.scheduler = Scheduler(leader)
        info = {"user": "root", "name": "fw", "checkpoint": True, "failover_timeout": 60.0, **info}
        self.stream = self._answer({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}, {})
        self.id = sent.events("SUBSCRIBED")[-1]["subscribed"]["framework_id"]["value"]

    @property
    def framework(self) -> Any:
        """The framework as the leader knows it."""
        return self.leader.state.frameworks[self.id]

    def _answer(self, content: Json, headers: dict[str, str]) -> web.Answer:
        body = json.dumps(content)
        sent = {"content-type": "application/json", "accept": "application/json", **headers}
        return self.scheduler.answer(request("POST", "/api/v1/scheduler", body, sent), None)

    def call(self, kind: str, **content: Any) -> web.Answer:
        """A call of the framework."""
        headers = {"mesos-stream-id": self.framework.stream_id}
        return self._answer({"type": kind, "framework_id": {"value": self.id}, kind.lower(): content}, headers)

    async def launch(self, task_id: str, cpus: float = 0.2, refuse: float = 0.0, **more: Any) -> Json:
        """Accepts the first outstanding offer with one task and returns its agent id."""
        await settle(0.08)
        offer = next(iter(self.framework.offers.values()))
        agent_id = {"value": offer.agent_id}
        resources = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}}]
        info = {"task_id": {"value": task_id}, "name": task_id, "agent_id": agent_id, "resources": resources}
        info |= {"command": {"value": "sleep 100"}, **more}
        launch = {"type": "LAUNCH", "launch": {"task_infos": [info]}}
        self.call("ACCEPT", offer_ids=[{"value": offer.id}], operations=[launch], filters={"refuse_seconds": refuse})
        return agent_id

    def report(self, task_id: str, state: str, agent_id: Json, uuid: str) -> None:
        """An agent's status update."""
        status = {"task_id": {"value": task_id}, "state": state, "agent_id": agent_id, "uuid": uuid, "timestamp": 1.0}
        agent = self.leader.state.agents[agent_id["value"]]
        self.leader.frameworks.update(agent, {"framework_id": self.id, "status": status, "latest_state": state})

    def states(self) -> list[str]:
        """The states of all updates that the framework got."""
        return [event["update"]["status"]["state"] for event in self.sent.events("UPDATE")]


async def world(sent: Sent, agents: int = 1, **info: Any) -> World:
    """A leader with agents and one framework."""
    return World(await elected(agents=agents), sent, **info)
