"""Masters, agents and a framework as real processes and connections on 127.0.0.1, for tests of the Mesos stand-in."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Json = dict[str, Any]
LIBRARY = Path(__file__).parents[2] / "lab/stand_ins/mesos/rootfs/usr/lib/mesos-standin"
# An agent refuses hosts with a cgroup2 mount beside cgroup v1 (contract item 1); this machine may be one.
START = (
    "import sys; from mesos_standin.agent import checks; checks.cgroup2_elsewhere = lambda mounts: ''; "
    "from mesos_standin.{}.main import main; main(sys.argv[1:])"
)
CHECKPOINTED = {"user": "root", "name": "test", "checkpoint": True, "failover_timeout": 60.0}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true value of the condition; fails the test when it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


class Programs:
    """Starts masters and agents and ends them with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def _start(self, program: str, log: str, *flags: str) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": str(LIBRARY), "PYTHONDONTWRITEBYTECODE": "1"}
        argv = [sys.executable, "-c", START.format(program), "--ip=127.0.0.1", "--no-hostname_lookup", *flags]
        with (self.folder / log).open("ab") as out:
            child = subprocess.Popen(argv, env=env, stdout=out, stderr=out)
        self._running.append(child)
        return child

    def master(self, port: int, *flags: str) -> subprocess.Popen[bytes]:
        """A master with its own work_dir."""
        return self._start("master", f"m{port}.log", f"--port={port}", f"--work_dir={self.folder}/m{port}", *flags)

    def agent(self, port: int, master: str, *flags: str) -> subprocess.Popen[bytes]:
        """An agent with its own work_dir and the recorded resources."""
        fixed = ["--launcher=posix", "--isolation=posix/cpu,posix/mem", "--no-systemd_enable_support", "--no-switch_user"]
        sizes = "--resources=cpus:2;mem:1024;disk:2048;ports:[31000-31999]"
        where = [f"--port={port}", f"--work_dir={self.folder}/a{port}", f"--launcher_dir={self.folder}"]
        return self._start("agent", f"a{port}.log", *fixed, sizes, *where, f"--master={master}", *flags)

    def end(self) -> None:
        """Kills what still runs."""
        for child in self._running:
            child.kill()
            child.wait()


def ask(port: int, method: str, path: str, content: Json | None = None) -> tuple[int, bytes]:
    """(status, body) of a request, (0, b'') when nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    body = json.dumps(content) if content is not None else None
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()


def agents(port: int) -> list[Json]:
    """The agents that a leader lists, [] while there is no leader."""
    status, body = ask(port, "POST", "/api/v1", {"type": "GET_AGENTS"})
    listed: list[Json] = json.loads(body)["get_agents"]["agents"] if status == 200 else []
    return listed


def active(port: int) -> list[str]:
    """Ids of the active agents."""
    return [agent["agent_info"]["id"]["value"] for agent in agents(port) if agent["active"]]


class Framework:
    """A framework that acknowledges every update and launches tasks with the newest offer."""

    def __init__(self, port: int, info: Json) -> None:
        self.port = port
        self.events: list[Json] = []
        self._used: set[str] = set()
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        body = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}
        if "id" in info:
            body["framework_id"] = info["id"]
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self._connection.request("POST", "/api/v1/scheduler", json.dumps(body), headers)
        self._answer = self._connection.getresponse()
        assert self._answer.status == 200
        self._headers = {**headers, "Mesos-Stream-Id": self._answer.headers["Mesos-Stream-Id"]}
        threading.Thread(target=self._read, daemon=True).start()
        self.id = until(lambda: self.of("SUBSCRIBED"))[0]["subscribed"]["framework_id"]

    def _read(self) -> None:
        with suppress(OSError, http.client.HTTPException):  # the master was killed
            while size := self._answer.readline():
                self._take(json.loads(self._answer.read(int(size))))

    def _take(self, event: Json) -> None:
        self.events.append(event)
        status = event.get("update", {}).get("status", {})
        if status.get("uuid"):
            self.call("ACKNOWLEDGE", {key: status[key] for key in ("agent_id", "task_id", "uuid")})

    def of(self, kind: str) -> list[Json]:
        """The events of one type."""
        return [event for event in self.events if event["type"] == kind]

    def call(self, kind: str, content: Json) -> int:
        """A call's status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        body = json.dumps({"type": kind, "framework_id": self.id, kind.lower(): content})
        connection.request("POST", "/api/v1/scheduler", body, self._headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def launch(self, task_id: str, command: str) -> None:
        """Launches a command task."""
        rescinded = {event["rescind"]["offer_id"]["value"] for event in self.of("RESCIND")}

        def newest() -> Json | None:
            offers = [offer for event in self.of("OFFERS") for offer in event["offers"]["offers"]]
            left = [offer for offer in offers if offer["id"]["value"] not in self._used | rescinded]
            return left[-1] if left else None

        offer = until(newest)
        self._used.add(offer["id"]["value"])
        resources = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}}]
        task = {"name": task_id, "task_id": {"value": task_id}, "agent_id": offer["agent_id"], "resources": resources}
        launch = {"task_infos": [{**task, "command": {"value": command}}]}
        operations = [{"type": "LAUNCH", "launch": launch}]
        content = {"offer_ids": [offer["id"]], "operations": operations, "filters": {"refuse_seconds": 0}}
        assert self.call("ACCEPT", content) == 202

    def states(self, task_id: str) -> list[str]:
        """The states reported for a task, without repetitions."""
        found = [event["update"]["status"] for event in self.of("UPDATE")]
        return list(dict.fromkeys(status["state"] for status in found if status["task_id"]["value"] == task_id))
