"""The lab's Registrator against a Docker Engine and a Consul made of plain HTTP servers."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from provisioner.paths import project_dir
from samples import ENVIRONMENT, STAND_INS

PROGRAM = STAND_INS / "registrator_standin/packaging/registrator"
HOST = os.uname().nodename


class World:
    """What Docker runs and what Consul knows; both answer over HTTP."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, str]] = []
        self.consul_well = True

    def run(self, name: str, image: str = "site/web:1", env: tuple[str, ...] = (), mode: str = "default", **ports: str | None) -> str:
        """Start a container; `ports` as p80="32768", p53_udp="53" or p81=None for one that is not published."""
        named = {key[1:].replace("_", "/") if "_" in key else key[1:] + "/tcp": value for key, value in ports.items()}
        published = {port: [{"HostPort": host}] if host else None for port, host in named.items()}
        self.containers[name * 12] = {
            "Id": name * 12,
            "Name": f"/{name}",
            "Config": {"Image": image, "Env": list(env), "Labels": {"SERVICE_TAGS": "a,b\\,c"}, "ExposedPorts": {p: {} for p in named}},
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Ports": published if mode != "host" else {}, "IPAddress": "172.17.0.2", "Networks": {}},
            "State": {"Running": True, "ExitCode": 0},
        }
        self.events.append({"Type": "container", "Action": "start", "id": name * 12})
        return name * 12

    def end(self, name: str, code: int = 0) -> None:
        self.containers[name * 12]["State"] = {"Running": False, "ExitCode": code}
        self.events.append({"Type": "container", "Action": "die", "id": name * 12})

    def docker(self, path: str) -> Any:
        if path.startswith("/containers/json"):
            return [{"Id": key} for key, value in self.containers.items() if value["State"]["Running"]]
        return self.containers.get(path.split("/")[2])

    def consul(self, method: str, path: str, body: Any) -> Any:
        if not self.consul_well:
            return None
        if path == "/v1/agent/service/register":
            self.services[body["ID"]] = body
        elif path.startswith("/v1/agent/service/deregister/"):
            del self.services[unquote(path.rsplit("/", 1)[1])]
        elif path == "/v1/agent/services":
            return {key: {"ID": key, "Service": value["Name"]} for key, value in self.services.items()}
        return "10.0.0.1:8300"


def handler(world: World, docker: bool) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if docker and self.path.startswith("/events"):
                self.follow()
            else:
                self.answer(world.docker(self.path) if docker else world.consul("GET", self.path, None))

        def do_PUT(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(world.consul("PUT", self.path, json.loads(text or b"null")))

        def answer(self, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(500 if value is None and not docker else 404 if value is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def follow(self) -> None:
            self.send_response(200)
            self.end_headers()
            told = len(world.events)
            while True:
                for event in world.events[told:]:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
                    told += 1
                time.sleep(0.02)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *_: object) -> None:
            """Silence."""

    return Handler


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def start(world: World, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program with flags, against the world."""
    docker = UnixServer(str(tmp_path / "docker.sock"), handler(world, docker=True))
    consul = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(world, docker=False))
    for server in (docker, consul):
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    started: list[subprocess.Popen[str]] = []

    def run(*flags: str) -> subprocess.Popen[str]:
        environment = {**ENVIRONMENT, "DOCKER_HOST": f"unix://{tmp_path}/docker.sock"}
        command = [sys.executable, str(PROGRAM), *flags, f"consul://127.0.0.1:{consul.server_port}"]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()
    for server in (docker, consul):
        server.shutdown()
        server.server_close()


def until(true: Callable[[], object]) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    pytest.fail("nothing happened for ten seconds")


def registrator(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, timeout=10, check=False, env=ENVIRONMENT)


def test_it_knows_the_flags_that_the_role_allows() -> None:
    role = project_dir() / "roles/registrator/vars/main.yml"
    allowed = role.read_text().split("__registrator_flags:")[1].split("\n\n")[0].split("\n  - ")[1:]
    known = [line.split()[0] for line in registrator("-help").stderr.splitlines() if line.startswith("  -")]
    assert sorted(f"-{flag}" for flag in allowed) == sorted(known)


def test_version_says_that_it_is_a_stand_in() -> None:
    assert registrator("--version").stdout == "v7.4.0-standin\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-bogus", "consul://"), "flag provided but not defined: -bogus"),
        (("--bogus=1", "consul://"), "flag provided but not defined: -bogus"),
        (("-ip",), "flag needs an argument: -ip"),
        (("-resync", "soon", "consul://"), 'invalid value "soon" for flag -resync: parse error'),
        (("-cleanup=maybe", "consul://"), 'invalid boolean value "maybe" for -cleanup: parse error'),
        (("-cleanup",), "Missing required argument for registry URI."),
        (("consul://", "-cleanup"), "Options should come before the registry URI argument."),
    ],
)
def test_a_wrong_command_line_is_refused_like_by_go(arguments: tuple[str, ...], reason: str) -> None:
    tried = registrator(*arguments)
    assert tried.returncode == 2
    assert reason in tried.stderr
    assert "[options] <registry URI>" in tried.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-ttl", "30", "consul://"), "-ttl and -ttl-refresh must be specified together"),
        (("-ttl=30", "-ttl-refresh=30", "consul://"), "-ttl must be greater than -ttl-refresh"),
        (("-retry-interval", "0", "consul://"), "-retry-interval must be greater than 0"),
        (("-deregister", "never", "consul://"), '-deregister must be "always" or "on-success"'),
        (("zookeeper://a:2181/x",), "unrecognized adapter: zookeeper://a:2181/x"),
        (("consul://127.0.0.1:1",), "Connection refused"),
    ],
)
def test_what_can_not_work_ends_with_one(arguments: tuple[str, ...], reason: str) -> None:
    tried = registrator(*arguments)
    assert tried.returncode == 1
    assert reason in tried.stderr


def test_running_containers_are_registered(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    world.run("one", p80="32768", p81=None)
    world.run("two", env=("SERVICE_NAME=db", "SERVICE_443_NAME=tls", "SERVICE_REGION=eu"), p80="1080", p443="1443", p53_udp="53")
    world.run("three", env=("SERVICE_IGNORE=true",), p80="2080")
    world.run("four", image="lab:5000/metrics", mode="host", p9100=None)
    start("-ip", "10.1.1.1")
    until(lambda: len(world.services) == 5)
    assert {key: (s["Name"], s["Address"], s["Port"]) for key, s in world.services.items()} == {
        f"{HOST}:one:80": ("web", "10.1.1.1", 32768),
        f"{HOST}:two:80": ("db-80", "10.1.1.1", 1080),
        f"{HOST}:two:443": ("tls", "10.1.1.1", 1443),
        f"{HOST}:two:53:udp": ("db-53", "10.1.1.1", 53),
        f"{HOST}:four:9100": ("metrics", "10.1.1.1", 9100),
    }
    assert world.services[f"{HOST}:one:80"]["Tags"] == ["a", "b,c"]
    assert world.services[f"{HOST}:two:53:udp"]["Tags"] == ["a", "b,c", "udp"]
    assert world.services[f"{HOST}:two:80"]["Meta"] == {"region": "eu"}


def test_checks_are_registered(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    settings = ("SERVICE_80_CHECK_HTTP=/health", "SERVICE_80_CHECK_INTERVAL=3s", "SERVICE_81_CHECK_TCP=true", "SERVICE_82_CHECK_TTL=9s")
    world.run("one", env=(*settings, "SERVICE_81_CHECK_DEREGISTER_AFTER=10m"), p80="1", p81="2", p82="3", p83="4")
    start("-ip=10.1.1.1")
    until(lambda: len(world.services) == 4)
    assert [world.services[f"{HOST}:one:{port}"]["Check"] for port in (80, 81, 82, 83)] == [
        {"HTTP": "http://10.1.1.1:1/health", "Interval": "3s"},
        {"TCP": "10.1.1.1:2", "Interval": "10s", "DeregisterCriticalServiceAfter": "10m"},
        {"TTL": "9s"},
        None,
    ]


def test_services_follow_the_containers(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("-internal")
    assert process.stderr
    until(lambda: "Syncing" in (process.stderr.readline() if process.stderr else ""))
    world.run("one", p80=None)
    until(lambda: f"{HOST}:one:80" in world.services)
    assert (world.services[f"{HOST}:one:80"]["Address"], world.services[f"{HOST}:one:80"]["Port"]) == ("172.17.0.2", 80)
    world.end("one")
    until(lambda: not world.services)


def test_on_success_keeps_the_service_of_a_failed_container(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    world.run("one", p80="1")
    world.run("two", p80="2")
    start("-deregister", "on-success", "-ip", "10.1.1.1")
    until(lambda: len(world.services) == 2)
    time.sleep(0.3)
    world.end("one", code=1)
    world.end("two", code=143)
    until(lambda: set(world.services) == {f"{HOST}:one:80"})


def test_cleanup_takes_away_only_what_this_host_left_behind(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    for key in (f"{HOST}:gone:80", "elsewhere:gone:80", "handmade"):
        world.services[key] = {"ID": key, "Name": "web"}
    world.run("one", p80="1")
    start("-cleanup", "-ip", "10.1.1.1")
    until(lambda: f"{HOST}:gone:80" not in world.services)
    assert set(world.services) == {"elsewhere:gone:80", "handmade", f"{HOST}:one:80"}


def test_resync_brings_back_what_consul_forgot(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    world.run("one", p80="1")
    start("-resync", "1", "-ip", "10.1.1.1")
    until(lambda: world.services)
    world.services.clear()
    until(lambda: world.services)


def test_it_waits_for_consul_and_stops_at_once(world: World, start: Callable[..., subprocess.Popen[str]]) -> None:
    world.consul_well = False
    world.run("one", p80="1")
    process = start("-retry-attempts", "-1", "-retry-interval", "100", "-ip", "10.1.1.1")
    time.sleep(0.5)
    assert process.poll() is None
    world.consul_well = True
    until(lambda: world.services)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 2
