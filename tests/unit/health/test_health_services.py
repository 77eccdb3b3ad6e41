"""Consul, Docker, Registrator and Logstash, in the shapes that their APIs document."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.components.logstash.health import told
from provisioner.components.registrator import health as registrator
from provisioner.probe.health import ask, docker_engine, web

Serve = Callable[..., str]
CONSUL = {"unit": "consul", "server": True, "servers": 3, "hosts": 5, "acl": "off"}
NODES = ("m1", "m2", "m3")


def consul(**changes: Any) -> dict[str, Any]:
    raft = {"Servers": [{"Node": n, "Leader": n == "m1", "Voter": True} for n in NODES]}
    health = {"Healthy": True, "FailureTolerance": 1, "Servers": [{"Name": n, "Healthy": True} for n in NODES]}
    own = {"Config": {"Server": True, "Version": "1.8.7"}, "Stats": {"consul": {"leader": "true", "known_servers": "3"}}}
    return {
        "GET /v1/agent/self": (200, own),
        "GET /v1/agent/members": (200, [{"Name": f"h{i}", "Status": 1} for i in range(5)]),
        "GET /v1/status/leader": (200, "\"198.18.0.11:8300\""),
        "GET /v1/operator/raft/configuration": (200, raft),
        "GET /v1/operator/autopilot/health": (200, health),
        **changes,
    }


def test_consul_leader(serve: Serve) -> None:
    found = ask("consul", {**CONSUL, "http": serve(consul())})
    assert (found["state"], found["leader"], found["version"]) == ("ok", True, "1.8.7")
    assert found["facts"]["raft_peers"] == ["m1", "m2", "m3"] and found["facts"]["raft_leader"] == "m1"


@pytest.mark.parametrize("said", [(200, "\"\""), (500, "No known Consul servers")])
def test_consul_without_a_leader_is_down(serve: Serve, said: tuple[int, str]) -> None:
    found = ask("consul", {**CONSUL, "http": serve(consul(**{"GET /v1/status/leader": said}))})
    assert found["state"] == "down" and "has no leader" in found["detail"] and found["version"] == "1.8.7"


def test_consul_with_a_voter_too_few_misses_a_peer(serve: Serve) -> None:
    raft = {"Servers": [{"Node": n, "Leader": n == "m1", "Voter": n != "m3"} for n in NODES]}
    found = ask("consul", {**CONSUL, "http": serve(consul(**{"GET /v1/operator/raft/configuration": (200, raft)}))})
    assert (found["state"], found["facts"]["itself"]) == ("degraded", "ok") and "2 voters, 3 wanted" in found["detail"]


def test_consul_names_whom_autopilot_finds_unhealthy_in_its_429(serve: Serve) -> None:
    state = {"Healthy": False, "FailureTolerance": 0, "Servers": [{"Name": "m3", "Healthy": False}]}
    found = ask("consul", {**CONSUL, "http": serve(consul(**{"GET /v1/operator/autopilot/health": (429, state)}))})
    assert found["state"] == "degraded" and "autopilot finds m3 unhealthy" in found["detail"]


#: What an agent says of its ACLs, up to 1.9 and from 1.10 on.
OLD, NEW = ({"ACLsEnabled": True, "ACLDefaultPolicy": "deny"},
            {"ACLsEnabled": True, "ACLResolverSettings": {"ACLsEnabled": True, "ACLDefaultPolicy": "deny"}})


@pytest.mark.parametrize(("debug", "server", "wanted", "state", "detail"), [
    (OLD, True, "deny", "ok", "leads, 5 of 5 members alive"),
    (NEW, True, "deny", "ok", "leads, 5 of 5 members alive"),
    (NEW, False, "deny", "ok", "client of 3 servers, 5 of 5 members alive"),
    (NEW, True, "off", "degraded", "leads, ACLs are deny"),
    ({**OLD, "ACLDefaultPolicy": "allow"}, True, "deny", "degraded", "leads, ACLs are allow"),
    ({"ACLsEnabled": False, "ACLDefaultPolicy": "allow"}, False, "deny", "degraded", "client of 3 servers, ACLs are off"),
])
def test_a_closed_consul_is_asked_with_roots_token_and_refuses_others(
        serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, debug: Any, server: bool, wanted: str, state: str,
        detail: str) -> None:
    open_routes = consul()
    _, own = open_routes["GET /v1/agent/self"]
    own = {**own, "Config": {**own["Config"], "Server": server}, "DebugConfig": debug}
    # Who leads, Consul tells everybody.
    routes: dict[str, Any] = dict.fromkeys(open_routes, (403, "Permission denied"))
    routes.update({key: answer for key, answer in open_routes.items() if "leader" in key})
    routes.update({f"{key} right": answer for key, answer in {**open_routes, "GET /v1/agent/self": (200, own)}.items()})
    monkeypatch.setattr(web, "CREDENTIALS", tmp_path)
    request = {**CONSUL, "server": server, "acl": wanted, "http": serve(routes)}
    assert "403" in ask("consul", request)["detail"]
    (tmp_path / "consul.json").write_text(json.dumps({"X-Consul-Token": "right"}))
    found = ask("consul", request)
    assert (found["state"], found["detail"]) == (state, detail)


def test_consul_client_needs_no_raft(serve: Serve) -> None:
    own = {"Config": {"Server": False, "Version": "1.8.7"}, "Stats": {"consul": {"known_servers": "3"}}}
    routes = consul(**{"GET /v1/agent/self": (200, own), "GET /v1/operator/raft/configuration": (500, "")})
    found = ask("consul", {**CONSUL, "server": False, "http": serve(routes)})
    assert (found["state"], found["detail"]) == ("ok", "client of 3 servers, 5 of 5 members alive")
    found = ask("consul", {**CONSUL, "server": True, "http": serve({**consul(), "GET /v1/agent/self": (200, own)})})
    assert (found["state"], found["detail"]) == ("down", "runs as a client, not as a server")


def container(image: str, running: bool = True, **more: Any) -> dict[str, Any]:
    state = {"Running": running, "Pid": os.getpid(), "Status": "running" if running else "exited", "ExitCode": 0 if running else 1}
    return {"State": state, "Config": {"Image": image, "Env": []}, "Args": [], **more}


@pytest.fixture
def engine(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    return lambda routes: monkeypatch.setattr(docker_engine, "SOCKET", serve(routes))


Engine = Callable[[dict[str, Any]], None]


SWARM = {"LocalNodeState": "active", "ControlAvailable": True, "NodeID": "n1", "Cluster": {"ID": "c1"}}
DOCKER = {"unit": "docker", "overlay": "swarm", "network": "cluster"}


@pytest.mark.parametrize(("swarm", "networks", "state", "says"), [
    (SWARM, [{"Name": "cluster", "Driver": "overlay"}], "ok", "swarm leader"),
    (SWARM, [{"Name": "cluster", "Driver": "bridge"}], "down", "the overlay network cluster does not exist"),
    ({**SWARM, "ControlAvailable": False}, [], "ok", "swarm worker"),
    ({"LocalNodeState": "inactive"}, [], "down", "is in no swarm (inactive)"),
    ({"LocalNodeState": "error", "Error": "expired"}, [], "down", "is in no swarm (error) expired"),
])
def test_docker_and_its_swarm(engine: Engine, swarm: Any, networks: Any, state: str, says: str) -> None:
    engine({"GET /info": (200, {"ServerVersion": "20.10.24", "Driver": "overlay2", "Swarm": swarm}),
            "GET /nodes/n1": (200, {"ManagerStatus": {"Leader": True}}), "GET /networks": (200, networks)})
    found = ask("docker", DOCKER)
    assert (found["state"], found["detail"], found["version"]) == (state, says, "20.10.24")


def test_swarm_manager_without_quorum_is_down(engine: Engine) -> None:
    engine({"GET /info": (200, {"ServerVersion": "20.10.24", "Swarm": SWARM}), "GET /nodes/n1": (503, "no leader")})
    assert "without a working swarm" in ask("docker", DOCKER)["detail"]
    assert ask("docker", {**DOCKER, "overlay": "none"})["state"] == "ok"


@pytest.mark.parametrize(("networks", "state"), [([{"Name": "cluster", "Driver": "overlay"}], "ok"), ([], "down")])
def test_a_network_kept_in_consul_exists_on_every_engine(engine: Engine, networks: Any, state: str) -> None:
    engine({"GET /info": (200, {"ServerVersion": "20.10.24", "Driver": "overlay2"}), "GET /networks": (200, networks)})
    assert ask("docker", {**DOCKER, "overlay": "cluster_store"})["state"] == state


def published(name: str, age: float = 100.0) -> dict[str, Any]:
    return {"Names": [f"/{name}"], "Created": time.time() - age, "Ports": [{"PrivatePort": 8080, "PublicPort": 31200}]}


@pytest.mark.parametrize(("environment", "arguments", "state"), [
    ([], [], "degraded"),
    (["SERVICE_IGNORE=true"], [], "ok"),
    (["SERVICE_8080_IGNORE=1"], [], "ok"),
    ([], ["-explicit"], "ok"),
    (["SERVICE_NAME=x"], ["-explicit"], "degraded"),
])
def test_registrator_is_judged_by_what_stands_in_consul(
        serve: Serve, engine: Engine, environment: list[str], arguments: list[str], state: str) -> None:
    silent = container("busybox:1.35")
    silent["Config"]["Env"] = environment
    engine({
        "GET /containers/registrator/json": (200, container("r/registrator:7.4.0-standin", Args=arguments)),
        "GET /containers/json": (200, [published("mesos-1"), published("mesos-2")]),
        "GET /containers/mesos-2/json": (200, silent),
    })
    services = {"a1:mesos-1:8080": {"Service": "web"}}
    request = {"unit": "registrator", "consul": serve({"GET /v1/agent/services": (200, services)})}
    found = ask("registrator", request)
    assert (found["state"], found["version"]) == (state, "7.4.0-standin")
    assert found["facts"]["missing"] == (["mesos-2"] if state == "degraded" else [])


@pytest.mark.parametrize(("token", "state", "says"), [
    ("right", "ok", "1 service in Consul"),
    ("wrong", "down", "answers 403 ACL not found"),
    ("", "down", "runs without a token"),
])
def test_registrator_is_judged_by_what_consul_says_to_the_token_that_it_runs_with(
        serve: Serve, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str, state: str, says: str) -> None:
    monkeypatch.setattr(web, "CREDENTIALS", tmp_path)
    (tmp_path / "registrator.json").write_text(json.dumps({"X-Consul-Token": "right"}))
    given = {"CONSUL_HTTP_TOKEN": token} if token else {}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=given) as process:
        own = container("r/registrator:7.4.0-standin")
        own["State"]["Pid"] = process.pid
        engine({"GET /containers/registrator/json": (200, own), "GET /containers/json": (200, [])})
        routes = {"GET /v1/agent/services": (403, "ACL not found"), "GET /v1/agent/services right": (200, {"a1:x:1": {}})}
        found = ask("registrator", {"unit": "registrator", "consul": serve(routes)})
        process.communicate(b"\n")
    assert found["state"] == state and says in found["detail"]


def test_a_container_that_just_started_is_not_missing_yet() -> None:
    assert registrator.missing([published("a"), published("b", age=3.0)], set(), time.time()) == ["a"]


def logstash(status: str = "green", pipelines: Any = None) -> dict[str, Any]:
    events = {"main": {"events": {"in": 5, "out": 4}}}
    return {"GET /": (200, {"version": "9.5.6", "status": status}),
            "GET /_node/stats/pipelines": (200, {"pipelines": events if pipelines is None else pipelines})}


@pytest.mark.parametrize(("routes", "state", "says"), [
    (logstash(), "ok", "collects, 5 events in, 4 out"),
    (logstash(status="red"), "down", "it is red"),
    (logstash(pipelines={}), "down", "runs no pipeline"),
])
def test_logstash_server(serve: Serve, routes: dict[str, Any], state: str, says: str) -> None:
    api = serve(routes)
    found = ask("logstash", {"unit": "logstash", "server": True, "api": api, "forwarder": "rsyslog", "target": api, "peer": ""})
    assert found["state"] == state and says in found["detail"] and found["version"] == "9.5.6"


def test_forwarder_is_degraded_when_its_collector_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as collector:
        target = f"127.0.0.1:{collector.getsockname()[1]}"
        request = {"unit": "logstash", "server": False, "api": "", "forwarder": "rsyslog", "target": target, "peer": ""}
        assert ask("logstash", request)["state"] == "ok"
    found = ask("logstash", request)
    assert found["state"] == "degraded" and target in found["detail"]


def test_a_forwarder_is_asked_about_the_collector_that_it_is_told_of() -> None:
    """While a cluster is closed the inventory asks for another port already."""
    clear = 'action(type="omfwd"\n  target="10.0.0.1" port="5140" protocol="tcp"'
    assert told(clear) == ("10.0.0.1:5140", "")
    assert told(clear + '\n StreamDriver="ossl" StreamDriverPermittedPeers="logstash"') == ("10.0.0.1:5140", "logstash")
    assert told("") is None
