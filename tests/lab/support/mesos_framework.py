"""A framework of the tests' own: launches tasks through Mesos' v1 scheduler API and keeps what is told of them."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import uuid
from types import TracebackType
from typing import Any

from tests.lab.support.checkout import eventually

#: Seconds for an offer, a launch with its pull, and an update
PATIENCE = 90

ENDED = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_GONE", "TASK_DROPPED"})

#: CPUs and MB of every task
SIZE = {"cpus": 0.05, "mem": 32}

Status = dict[str, Any]


def has_room(offer: dict[str, Any], ports: tuple[int, ...]) -> bool:
    """Whether an offer has room for one task with these ports."""
    resources = offer["resources"]
    ranges = [one for resource in resources if resource["name"] == "ports" for one in resource["ranges"]["range"]]
    enough = all(sum(r["scalar"]["value"] for r in resources if r["name"] == name) >= size for name, size in SIZE.items())
    return enough and all(any(one["begin"] <= port <= one["end"] for one in ranges) for port in ports)


class Framework:
    """Connected with one master, which must lead, until the end of the block; its tasks end with it.

    Its tasks outlive a restart of their agent (it checkpoints), and it hears of TASK_KILLING.
    """

    def __init__(self, master: str, principal: str, secret: str) -> None:
        self._master = master
        self._headers = {"Content-Type": "application/json", "Accept": "application/json",
                         "Authorization": "Basic " + base64.b64encode(f"{principal}:{secret}".encode()).decode()}
        self.id: dict[str, str] = {}
        self._offers: dict[str, dict[str, Any]] = {}
        self._told: dict[str, list[Status]] = {}
        self._agents: dict[str, dict[str, str]] = {}
        info = {"user": "nobody", "name": "test", "roles": ["*"], "principal": principal, "checkpoint": True, "failover_timeout": 60,
                "capabilities": [{"type": "MULTI_ROLE"}, {"type": "TASK_KILLING_STATE"}]}
        self._stream = self._post({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}})
        self._headers["Mesos-Stream-Id"] = self._stream.headers["Mesos-Stream-Id"]
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        eventually("the master lists the framework", PATIENCE, lambda: bool(self.id))

    def __enter__(self) -> Framework:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._call("TEARDOWN")
        self._listener.join(PATIENCE)  # the master ends the stream

    def _post(self, call: dict[str, Any]) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._master, timeout=None if call["type"] == "SUBSCRIBE" else PATIENCE)
        identity = {"framework_id": self.id} if self.id else {}
        connection.request("POST", "/api/v1/scheduler", json.dumps({**call, **identity}), self._headers)
        answer = connection.getresponse()
        assert answer.status in (200, 202), f"{call['type']}: {answer.status} {answer.read(1000).decode()}"
        return answer

    def _call(self, kind: str, **content: Any) -> None:
        self._post({"type": kind, kind.lower(): content} if content else {"type": kind}).read()

    def _listen(self) -> None:
        while size := self._stream.readline().strip():
            event = json.loads(self._stream.read(int(size)))
            kind = event["type"]
            if kind == "SUBSCRIBED":
                self.id = event["subscribed"]["framework_id"]
            elif kind == "OFFERS":
                self._offers.update({offer["id"]["value"]: offer for offer in event["offers"]["offers"]})
            elif kind == "RESCIND":
                self._offers.pop(event["rescind"]["offer_id"]["value"], None)
            elif kind == "UPDATE":
                self._note(event["update"]["status"])

    def _note(self, status: Status) -> None:
        self._told.setdefault(status["task_id"]["value"], []).append(status)
        if "uuid" in status:
            self._call("ACKNOWLEDGE", agent_id=status["agent_id"], task_id=status["task_id"], uuid=status["uuid"])

    def launch(self, host: str, *, ports: tuple[int, ...] = (), **task: Any) -> str:
        """Launch a task on a host as soon as it is offered: the task's id."""
        identity = f"test-{uuid.uuid4().hex[:8]}"
        resources: list[dict[str, Any]] = [{"name": name, "type": "SCALAR", "scalar": {"value": value}}
                                           for name, value in SIZE.items()]
        if ports:
            resources.append({"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": port, "end": port} for port in ports]}})
        offer = self._offer(host, ports)
        info = {"name": identity, "task_id": {"value": identity}, "agent_id": offer["agent_id"], "resources": resources, **task}
        self._agents[identity] = offer["agent_id"]
        self._call("ACCEPT", offer_ids=[offer["id"]], operations=[{"type": "LAUNCH", "launch": {"task_infos": [info]}}],
                   filters={"refuse_seconds": 0})
        return identity

    def _offer(self, host: str, ports: tuple[int, ...]) -> dict[str, Any]:
        """One with room for a task; what a task has left is offered apart from the rest, and goes back to be offered with it."""
        found: list[dict[str, Any]] = []

        def take() -> bool:
            for one in [offer for offer in list(self._offers.values()) if offer["hostname"] == host and not found]:
                self._offers.pop(one["id"]["value"], None)
                if has_room(one, ports):
                    found.append(one)
                else:
                    self._call("DECLINE", offer_ids=[one["id"]], filters={"refuse_seconds": 0})
            return bool(found)

        eventually(f"{host} is offered", PATIENCE, take)
        return found[0]

    def kill(self, task: str, **policy: Any) -> None:
        """Ask for a task's end; `policy` may hold a `kill_policy`."""
        self._call("KILL", task_id={"value": task}, agent_id=self._agents[task], **policy)

    def told(self, task: str) -> list[Status]:
        """All that was told of a task."""
        return list(self._told.get(task, []))

    def wait(self, task: str, **wanted: Any) -> Status:
        """The first update with these values; a task that has ended otherwise fails the test at once."""
        found: list[Status] = []

        def seen() -> bool:
            told = self.told(task)
            found.extend(one for one in told if all(one.get(key) == value for key, value in wanted.items()))
            assert found or not told or told[-1]["state"] not in ENDED, told[-1]
            return bool(found)

        eventually(f"{task} is told as {wanted}", PATIENCE, seen)
        return found[0]

    def end(self, task: str) -> tuple[str, str]:
        """Wait for a task's end: its state and message."""
        eventually(f"{task} has ended", PATIENCE, lambda: bool(self.told(task)) and self.told(task)[-1]["state"] in ENDED)
        last = self.told(task)[-1]
        return last["state"], last.get("message", "")

    def sandbox(self, task: str) -> str:
        """The task's folder on its host, as the roles lay out an agent's work_dir; a link while several runs are possible."""
        return (f"/var/lib/mesos/agent/slaves/{self._agents[task]['value']}/frameworks/{self.id['value']}"
                f"/executors/{task}/runs/latest")
