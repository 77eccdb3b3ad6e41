"""mesos-executor as an agent starts it, against an agent of the test's own that speaks the v1 API."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / "mesos/executors/mesos-executor"
PATIENCE = 20


class Agent(ThreadingHTTPServer):
    """Keeps what executors call, and streams the events that the test puts; None ends a stream."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.calls: queue.Queue[tuple[dict[str, Any], str]] = queue.Queue()
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.events.put(None)
        self.shutdown()
        self.server_close()

    def call(self, kind: str) -> dict[str, Any]:
        """The next call, which must be of this kind."""
        call, _ = self.calls.get(timeout=PATIENCE)
        assert call["type"] == kind, call
        return call

    def update(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("UPDATE")["update"]["status"]
        return found

    def subscribed(self) -> None:
        self.events.put({"type": "SUBSCRIBED", "subscribed": {"framework_info": {}}})

    def acknowledge(self, status: dict[str, Any]) -> None:
        self.events.put({"type": "ACKNOWLEDGED", "acknowledged": {"task_id": status["task_id"], "uuid": status["uuid"]}})


class Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Agent

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        assert self.path == "/slave(1)/api/v1/executor"
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.put((call, self.headers.get("Authorization", "")))
        if call["type"] != "SUBSCRIBE":
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while (event := self.server.events.get()) is not None:
            text = json.dumps(event).encode()
            # A stream may be cut anywhere.
            for part in (b"%d\n" % len(text), text[:5], text[5:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as server:
        yield server
        server.stop()


@pytest.fixture
def start(agent: Agent, tmp_path: Path) -> Iterator[Any]:
    """`start(*flags, **environment)`: the program, in a sandbox."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*flags: str, **environment: str) -> subprocess.Popen[bytes]:
        told = {"PATH": "/usr/bin:/bin", "MESOS_FRAMEWORK_ID": "f", "MESOS_EXECUTOR_ID": "t", "MESOS_SLAVE_ID": "s",
                "MESOS_SLAVE_PID": f"slave(1)@127.0.0.1:{agent.server_port}", "MESOS_CHECKPOINT": "1", "MESOS_RECOVERY_TIMEOUT": "15mins",
                "MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "jwt", "MESOS_SANDBOX": str(tmp_path)}
        started.append(subprocess.Popen([PROGRAM, *flags], env={**told, **environment}, cwd=tmp_path, stderr=subprocess.DEVNULL))
        return started[-1]

    yield run
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait()


def launch(agent: Agent, **command: Any) -> None:
    """Take the subscription and launch a task, up to its start."""
    agent.subscribed()
    agent.events.put({"type": "LAUNCH", "launch": {"task": {"task_id": {"value": "t"}, "command": command, "resources": [
        {"name": "cpus", "allocation_info": {"role": "dev"}}]}}})
    assert [agent.update()["state"] for _ in range(2)] == ["TASK_STARTING", "TASK_RUNNING"]


def test_a_command_with_its_environment(agent: Agent, start: Any, tmp_path: Path) -> None:
    process = start('--task_environment={"variables": [{"name": "B", "value": "2"}]}', A="executor", B="executor")
    call, token = agent.calls.get(timeout=PATIENCE)
    assert (call["type"], call["framework_id"], call["executor_id"], token) == ("SUBSCRIBE", {"value": "f"}, {"value": "t"}, "Bearer jwt")
    launch(agent, value="env >env; exit 3", environment={"variables": [{"name": "A", "value": "1"}]})
    final = agent.update()
    assert (final["state"], final["message"]) == ("TASK_FAILED", "Command exited with status 3")
    found = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    expected = {"A": "1", "B": "2", "MESOS_ALLOCATION_ROLE": "dev", "MESOS_SANDBOX": str(tmp_path), "MESOS_EXECUTOR_ID": "t"}
    assert {name: found.get(name) for name in expected} == expected
    assert "jwt" not in " ".join(found.values())
    assert b"MESOS_FRAMEWORK_ID=f" in Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"jwt" not in Path(f"/proc/{process.pid}/environ").read_bytes()
    agent.acknowledge(final)
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(("command", "message"), [
    ({"shell": False, "value": "/bin/sh", "arguments": ["sh", "-c", "exit $#", "0", "a b"]}, "Command exited with status 1"),
    ({"shell": False, "value": "/no/such"}, "Command exited with status 1"),
    ({"value": "kill -TERM $$"}, "Command terminated with signal Terminated")])
def test_forms_of_commands(agent: Agent, start: Any, command: dict[str, Any], message: str) -> None:
    start()
    agent.call("SUBSCRIBE")
    launch(agent, **command)
    assert agent.update()["message"] == message


def test_flags_of_what_it_cannot_do_fail_the_task(agent: Agent, start: Any) -> None:
    start("--rootfs=/image", "--launcher_dir=/usr/libexec/mesos")
    agent.call("SUBSCRIBE")
    agent.subscribed()
    agent.events.put({"type": "LAUNCH", "launch": {"task": {"task_id": {"value": "t"}, "command": {"value": "true"}}}})
    assert agent.update()["state"] == "TASK_STARTING"
    final = agent.update()
    assert final["state"] == "TASK_FAILED"
    assert "does not support --rootfs" in final["message"]


def test_after_a_restart_the_agent_hears_what_it_has_not_acknowledged(agent: Agent, start: Any) -> None:
    process = start()
    agent.call("SUBSCRIBE")
    launch(agent, value="sleep 60")
    agent.events.put(None)
    again = agent.call("SUBSCRIBE")["subscribe"]
    assert [one["status"]["state"] for one in again["unacknowledged_updates"]] == ["TASK_STARTING", "TASK_RUNNING"]
    assert again["unacknowledged_tasks"][0]["task_id"] == {"value": "t"}
    agent.subscribed()
    agent.events.put({"type": "KILL", "kill": {"task_id": {"value": "t"}, "kill_policy": {"grace_period": {"nanoseconds": 0}}}})
    final = agent.update()
    assert final["state"] == "TASK_KILLED"
    agent.acknowledge(final)
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize("environment", [{"MESOS_CHECKPOINT": "0"}, {"MESOS_RECOVERY_TIMEOUT": "100ms"}], ids=str)
def test_an_executor_whose_agent_is_gone_ends_its_task(agent: Agent, start: Any, tmp_path: Path, environment: dict[str, str]) -> None:
    process = start(**environment)
    agent.call("SUBSCRIBE")
    launch(agent, value=f"trap 'echo >{tmp_path}/asked; exit' TERM; echo >{tmp_path}/ready; while :; do sleep 0.01; done")
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
    agent.stop()
    assert process.wait(PATIENCE) == 1
    assert (tmp_path / "asked").exists()


def test_without_an_agent_it_says_who_starts_it() -> None:
    done = subprocess.run([PROGRAM], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a Mesos agent starts this program" in done.stderr
    assert "of the lab, not Apache's" in done.stderr
