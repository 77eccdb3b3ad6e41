"""mesos-docker-executor as an agent starts it, against an agent of the test's own that speaks libprocess messages and a `docker` script."""

from __future__ import annotations

import base64
import contextlib
import json
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab_executor.messages import RECEIVED, SENT
from lab_executor.wire import decode, encode

PROGRAM = Path(__file__).parents[2] / "mesos/executors/mesos-docker-executor"
PATIENCE = 20

#: Runs what `run` is given as the command; `inspect` knows the container from then on; `stop` ends it.
DOCKER = """#!/bin/sh
shift 2; cd BOX; echo "$@" >>calls
case $1 in
run) [ ! -e refuse ] || exit 125
     trap 'exit 137' TERM; echo $$ >pid; while [ ! -e end ]; do sleep 0.02; done; exit $(cat end);;
inspect) [ -s pid ] || exit 1
     echo '[{"State": {"StartedAt": "2026-01-01", "Pid": 0}, "NetworkSettings": {"Networks": {"n": {"IPAddress": "172.17.0.2"}}}}]';;
stop) kill $(cat pid);;
esac
"""


class Agent:
    """Takes an executor's messages on one port, over and over, and sends its own to the address in them."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.pid = f"slave(1)@127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        self._messages: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.executor = ""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        """One request, or nothing on a connection that only shows that the executor lives."""
        file = connection.makefile("rb")
        line = file.readline().decode()
        if not line:
            return
        headers = {}
        while head := file.readline().decode().strip():
            name, _, value = head.partition(": ")
            headers[name] = value
        name = line.split()[1].removeprefix("/slave(1)/mesos.internal.")
        self.executor = headers["Libprocess-From"]
        self._messages.put((name, decode(file.read(int(headers["Content-Length"])), SENT[name])))
        with contextlib.suppress(OSError):  # the test may have broken the connection
            connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    def next(self, name: str) -> dict[str, Any]:
        found, message = self._messages.get(timeout=PATIENCE)
        assert found == name, (found, message)
        return message

    def update(self) -> dict[str, Any]:
        found: dict[str, Any] = self.next("StatusUpdateMessage")["update"]["status"]
        return found

    def send(self, name: str, **values: Any) -> None:
        """As libprocess does it: in chunks, its name in User-Agent."""
        process, _, address = self.executor.partition("@")
        host, _, port = address.partition(":")
        body = encode(values, RECEIVED[name])
        chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(f"POST /{process}/mesos.internal.{name} HTTP/1.1\r\nUser-Agent: libprocess/{self.pid}\r\n"
                               f"Transfer-Encoding: chunked\r\n\r\n".encode() + chunk + b"0\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 202"

    def acknowledge(self, status: dict[str, Any]) -> None:
        self.send("StatusUpdateAcknowledgementMessage", task_id=status["task_id"], uuid=status["uuid"])

    def hang_up(self) -> None:
        """Break every connection, as a restart does."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.hang_up()


@pytest.fixture
def agent() -> Iterator[Agent]:
    one = Agent()
    yield one
    one.close()


@pytest.fixture
def start(agent: Agent, tmp_path: Path) -> Iterator[Any]:
    """`start(**environment)`: the program, registered."""
    (tmp_path / "docker").write_text(DOCKER.replace("BOX", str(tmp_path)))
    (tmp_path / "docker").chmod(0o755)
    flags = {"container": "mesos-c", "docker": tmp_path / "docker", "docker_socket": "/run/docker.sock", "sandbox_directory": tmp_path,
             "mapped_directory": "/mnt/mesos/sandbox", "stop_timeout": "0ns", "launcher_dir": "/usr/libexec/mesos"}
    started: list[subprocess.Popen[bytes]] = []

    def run(**environment: str) -> subprocess.Popen[bytes]:
        told = {"PATH": "/usr/bin:/bin", "MESOS_FRAMEWORK_ID": "f", "MESOS_EXECUTOR_ID": "t", "MESOS_SLAVE_ID": "s",
                "MESOS_SLAVE_PID": agent.pid, "MESOS_CHECKPOINT": "1", **environment}
        started.append(subprocess.Popen([PROGRAM, *(f"--{name}={value}" for name, value in flags.items())], env=told,
                                        stderr=subprocess.DEVNULL))
        assert agent.next("RegisterExecutorMessage") == {"framework_id": {"value": "f"}, "executor_id": {"value": "t"}}
        agent.send("ExecutorRegisteredMessage", framework_info={"capabilities": [{"type": "TASK_KILLING_STATE"}]})
        return started[-1]

    yield run
    (tmp_path / "end").write_text("0")
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait()


TASK = {"name": "n", "task_id": {"value": "t"}, "command": {"shell": False}, "container": {
    "type": "DOCKER", "docker": {"image": "img"}, "network_infos": [{"name": "n", "groups": ["g"]}]}}


def launch(agent: Agent, **more: Any) -> dict[str, Any]:
    """Launch the task: the update that says that it runs."""
    agent.send("RunTaskMessage", task={**TASK, **more})
    starting = agent.update()
    assert (starting["state"], starting["slave_id"], starting["source"]) == ("TASK_STARTING", {"value": "s"}, "SOURCE_EXECUTOR")
    running = agent.update()
    assert running["state"] == "TASK_RUNNING"
    return running


def test_a_container_runs_and_ends(agent: Agent, start: Any, tmp_path: Path) -> None:
    process = start()
    running = launch(agent)
    assert json.loads(base64.b64decode(running["data"]))[0]["State"]["StartedAt"] == "2026-01-01"
    assert running["container_status"] == {"network_infos": [
        {"name": "n", "groups": ["g"], "ip_addresses": [{"protocol": "IPv4", "ip_address": "172.17.0.2"}]}]}
    (tmp_path / "end").write_text("7")
    final = agent.update()
    assert (final["state"], final["message"]) == ("TASK_FAILED", "Container exited with status 7")
    agent.acknowledge(final)
    assert process.wait(PATIENCE) == 0


def test_a_container_is_stopped_with_its_grace_period(agent: Agent, start: Any, tmp_path: Path) -> None:
    start()
    launch(agent, kill_policy={"grace_period": {"nanoseconds": 7_900_000_000}})
    agent.send("KillTaskMessage", task_id={"value": "t"})
    assert agent.update()["state"] == "TASK_KILLING"
    final = agent.update()
    assert (final["state"], final["message"]) == ("TASK_KILLED", "Container exited with status 137")
    assert "stop -t 7 mesos-c" in (tmp_path / "calls").read_text().splitlines()


def test_a_container_that_does_not_start_never_ran(agent: Agent, start: Any, tmp_path: Path) -> None:
    (tmp_path / "refuse").touch()
    start()
    agent.send("RunTaskMessage", task=TASK)
    assert agent.update()["state"] == "TASK_STARTING"
    final = agent.update()
    assert (final["state"], final["message"]) == ("TASK_FAILED", "Container exited with status 125")


@pytest.mark.parametrize(("more", "why"), [
    ({"check": {"type": "TCP"}}, "Docker executor does not support checks yet"),
    ({"container": {"type": "DOCKER", "docker": {"image": "i", "network": "USER"}}},
     "Failed to create docker run options: No network info found in container info")])
def test_what_docker_cannot_do_fails_the_task(agent: Agent, start: Any, more: dict[str, Any], why: str) -> None:
    start()
    agent.send("RunTaskMessage", task={**TASK, **more})
    assert agent.update()["state"] == "TASK_STARTING"
    final = agent.update()
    assert (final["state"], final["message"]) == ("TASK_FAILED", why)


def test_after_a_restart_the_agent_hears_what_it_has_not_acknowledged(agent: Agent, start: Any) -> None:
    start()
    running = launch(agent)
    agent.hang_up()
    agent.send("ReconnectExecutorMessage", slave_id={"value": "s"})
    again = agent.next("ReregisterExecutorMessage")
    assert [one["status"]["state"] for one in again["updates"]] == ["TASK_STARTING", "TASK_RUNNING"]
    assert again["updates"][1]["uuid"] == running["uuid"]
    assert decode(base64.b64decode(again["tasks"][0]), RECEIVED["RunTaskMessage"][4].kind) == TASK  # type: ignore[arg-type]
    agent.acknowledge(running)
    for _ in range(50):  # an executor that is slow has not read yet what was acknowledged
        agent.hang_up()
        agent.send("ReconnectExecutorMessage", slave_id={"value": "s"})
        again = agent.next("ReregisterExecutorMessage")
        if len(again["updates"]) == 1:
            break
        time.sleep(0.1)
    assert ([one["status"]["state"] for one in again["updates"]], again.get("tasks")) == (["TASK_STARTING"], None)


@pytest.mark.parametrize("environment", [{"MESOS_CHECKPOINT": "0"}, {"MESOS_RECOVERY_TIMEOUT": "100ms"}], ids=str)
def test_an_executor_whose_agent_is_gone_ends_its_task(agent: Agent, start: Any, tmp_path: Path, environment: dict[str, str]) -> None:
    process = start(**environment)
    launch(agent)
    agent.close()
    assert process.wait(PATIENCE) == 1
    assert "stop -t 3 mesos-c" in (tmp_path / "calls").read_text().splitlines()


def test_flags_that_are_missing_are_named() -> None:
    done = subprocess.run([PROGRAM, "--container=c"], env={"PATH": "/usr/bin:/bin", "MESOS_FRAMEWORK_ID": "f", "MESOS_EXECUTOR_ID": "t",
                          "MESOS_SLAVE_ID": "s", "MESOS_SLAVE_PID": "slave(1)@127.0.0.1:1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "--docker, --docker_socket, --sandbox_directory, --mapped_directory not given" in done.stderr


def test_garbage_is_refused_and_does_no_harm(agent: Agent, start: Any) -> None:
    start()
    address = agent.executor.partition("@")[2].partition(":")
    for body in ("Content-Length: x\r\n\r\n", "Content-Length: 99999999999\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with socket.create_connection((address[0], int(address[2])), PATIENCE) as connection:
            connection.sendall(f"POST /executor(1)/mesos.internal.RunTaskMessage HTTP/1.1\r\n{body}".encode())
            assert connection.recv(12) == b"HTTP/1.1 400"
    launch(agent)
