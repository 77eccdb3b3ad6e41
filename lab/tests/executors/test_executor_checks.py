"""Checks against real commands and loopback servers, and what their results mean over time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lab_executor.checks import CheckError, Target, complaint, perform
from lab_executor.watch import Health, watch_check, watch_health

HERE = Target()


class Answers(BaseHTTPRequestHandler):
    """/<status> answers with it; /go leads to /204."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        status = 302 if self.path == "/go" else int(self.path[1:])
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/204")
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(("command", "code"), [
    ({"value": "exit 3"}, 3), ({"value": 'test "$A" = 1', "environment": {"variables": [{"name": "A", "value": "1"}]}}, 0),
    ({"shell": False, "value": "/bin/sh", "arguments": ["sh", "-c", "exit 4"]}, 4), ({"shell": False, "value": "/bin/true"}, 0)])
def test_commands(command: dict[str, Any], code: int) -> None:
    assert perform({"type": "COMMAND", "command": command}, HERE, 5) == {"type": "COMMAND", "command": {"exit_code": code}}
    assert perform({"type": "COMMAND", "command": {"command": command}}, HERE, 5)["command"]["exit_code"] == code


def test_a_command_of_a_container_goes_behind_docker_exec() -> None:
    target = Target(prefix=("/bin/sh", "-c", 'test "$1 $2 $3" = "$0" && exit 7', "/bin/sh -c x"))
    assert perform({"type": "COMMAND", "command": {"value": "x"}}, target, 5)["command"]["exit_code"] == 7
    target = Target(prefix=("/bin/sh", "-c", 'test "$1 $2" = "$0" && exit 7', "p a"))
    check = {"type": "COMMAND", "command": {"shell": False, "value": "p", "arguments": ["a"]}}
    assert perform(check, target, 5)["command"]["exit_code"] == 7


@pytest.mark.parametrize(("command", "why"), [
    ({"value": "sleep 60 & sleep 60"}, r"Command timed out after 0\.1 s"), ({"value": "kill -9 $$"}, "terminated with signal Killed"),
    ({"shell": False, "value": "/no/such"}, "Failed to create subprocess")])
def test_commands_without_a_result(command: dict[str, Any], why: str) -> None:
    with pytest.raises(CheckError, match=why):
        perform({"type": "COMMAND", "command": command}, HERE, 0.1 if "sleep" in command["value"] else 5)


@pytest.mark.parametrize(("path", "code", "good"), [("/200", 200, True), ("/go", 204, True), ("/399", 399, True), ("/404", 404, False),
                                                    ("/500", 500, False)])
def test_http(port: int, path: str, code: int, good: bool) -> None:
    found = perform({"type": "HTTP", "http": {"port": port, "path": path}}, HERE, 5)
    assert found == {"type": "HTTP", "http": {"status_code": code}}
    assert bool(complaint(found)) != good


def test_http_without_an_answer(silent: int, closed: int) -> None:
    with pytest.raises(CheckError, match="timed out"):
        perform({"type": "HTTP", "http": {"port": silent}}, HERE, 0.1)
    with pytest.raises(CheckError, match="refused"):
        perform({"type": "HTTP", "http": {"port": closed}}, HERE, 5)


def test_http_with_an_answer_that_is_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"SSH-2.0-x\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(CheckError, match=r"SSH-2\.0"):
            perform({"type": "HTTP", "http": {"port": server.getsockname()[1]}}, HERE, None)


def test_tcp(silent: int, closed: int) -> None:
    assert perform({"type": "TCP", "tcp": {"port": silent}}, HERE, 5) == {"type": "TCP", "tcp": {"succeeded": True}}
    assert perform({"type": "TCP", "tcp": {"port": closed}}, HERE, None) == {"type": "TCP", "tcp": {"succeeded": False}}


def test_a_network_that_is_gone_is_no_result(silent: int) -> None:
    with pytest.raises(CheckError):
        perform({"type": "TCP", "tcp": {"port": silent}}, Target(network_of=2**22 + 1), 5)


@pytest.mark.parametrize(("found", "why"), [
    ({"type": "COMMAND", "command": {"exit_code": 0}}, ""),
    ({"type": "COMMAND", "command": {"exit_code": 1}}, "Command exited with status 1"),
    ({"type": "TCP", "tcp": {"succeeded": True}}, ""), ({"type": "TCP", "tcp": {"succeeded": False}}, "TCP connection failed")])
def test_what_counts_as_healthy(found: dict[str, Any], why: str) -> None:
    assert complaint(found) == why


class Clock:
    """Shows the time that it is set to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_failures_count_after_the_grace_period() -> None:
    clock = Clock()
    health = Health({"grace_period_seconds": 10, "consecutive_failures": 2}, clock)
    clock.now = 110.0
    assert health.judge(False) is None
    clock.now = 110.1
    assert health.judge(False) == (False, False)
    assert health.judge(False) == (False, True)
    assert health.judge(False) == (False, True)


def test_failures_count_at_once_after_a_success() -> None:
    health = Health({"grace_period_seconds": 1000, "consecutive_failures": 2}, Clock())
    assert health.judge(True) == (True, False)
    assert health.judge(True) is None
    assert health.judge(False) == (False, False)
    assert health.judge(True) == (True, False)
    assert health.judge(False) == (False, False)
    assert health.judge(False) == (False, True)


def test_without_a_grace_period_the_first_failure_counts() -> None:
    health = Health({"grace_period_seconds": 0}, Clock())
    assert [health.judge(False) for _ in range(3)] == [(False, False), (False, False), (False, True)]


QUICK = {"type": "COMMAND", "delay_seconds": 0, "interval_seconds": 0.01, "grace_period_seconds": 0}


def test_health_over_time(tmp_path: Any) -> None:
    told: list[tuple[bool, bool]] = []
    done = threading.Event()

    def tell(healthy: bool, kill: bool) -> None:
        told.append((healthy, kill))
        (tmp_path / "bad").touch()
        if kill:
            done.set()

    watch = watch_health({**QUICK, "consecutive_failures": 2, "command": {"value": f"test ! -e {tmp_path}/bad"}}, HERE, tell)
    assert done.wait(10)
    watch.stop()
    assert told[:3] == [(True, False), (False, False), (False, True)]


def test_checks_tell_only_what_changes(tmp_path: Any) -> None:
    told: list[dict[str, Any]] = []
    done = threading.Event()
    counter = tmp_path / "runs"

    def tell(found: dict[str, Any]) -> None:
        told.append(found)
        if found == {"type": "COMMAND", "command": {}}:
            done.set()

    script = f"echo >>{counter}; n=$(wc -l <{counter}); [ $n -lt 4 ] || kill -9 $$; exit $((n / 3))"
    watch = watch_check({**QUICK, "command": {"command": {"value": script}}}, HERE, tell)
    assert done.wait(10)
    watch.stop()
    assert told == [{"type": "COMMAND", "command": {"exit_code": 0}}, {"type": "COMMAND", "command": {"exit_code": 1}},
                    {"type": "COMMAND", "command": {}}]


def test_a_check_that_cannot_be_performed_fails_each_time() -> None:
    done = threading.Event()

    def tell(healthy: bool, kill: bool) -> None:
        if kill:
            done.set()

    watch = watch_health({**QUICK, "consecutive_failures": 2, "command": {"value": "tr\0e"}}, HERE, tell)
    assert done.wait(10)
    watch.stop()
