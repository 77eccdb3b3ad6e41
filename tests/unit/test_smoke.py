"""The end-to-end proof against a small model of a cluster, in which single links can be cut."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.components.docker.proof import SMALL_ONLY
from provisioner.errors import UnreachableError
from provisioner.hosts.openssh import Completed
from provisioner.hosts.remote_calls import BrokenLink, RemoteCalls
from provisioner.observe.observation import HostObservation, Observation
from provisioner.observe.proof import Proof
from provisioner.verbs.verify.work import prove
from tests.unit.builders import agents, cluster, masters

CLUSTER = cluster(*masters(1), *agents(2), cluster_verify_image="busybox:1")
HOSTS = CLUSTER.hosts
OUTPUT = "/var/log/logstash/cluster-%{+YYYY-MM-dd}.log"
RENDERED: dict[str, Any] = {"all": {"hosts": {h.name: {} for h in HOSTS}, "vars": {
    "marathon_probe": {"address": "192.0.2.11", "port": 8080}, "chronos_probe": {"address": "192.0.2.11", "port": 4400},
    "consul_probe": {"http": "127.0.0.1:8500"}, "dns_probe": {"domain": "consul"}, "logstash_output_file": OUTPUT,
    "docker_probe": {"overlay": "swarm", "network": "cluster"}}}}


class World(RemoteCalls):
    """Answers calls as a cluster would. `cut` names links that do not hold, as `component:host`."""

    def __init__(self, *cut: str) -> None:
        self.cut = set(cut)
        self.app: dict[str, Any] | None = None
        self.job: dict[str, Any] | None = None
        self.files: dict[str, str] = {}
        self.containers: set[str] = set()
        self.lines: list[str] = []
        self.clock = 0.0

    def send(self, host: Host, call: str, **request: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = getattr(self, f"do_{call}")(host, request)
        return found

    def do_http(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        server, path, method = request["server"], request["path"].split("?")[0], request["method"]
        if server == "192.0.2.11:8080":
            status, body = self.marathon(method, path, request["body"])
        elif server == "192.0.2.11:4400":
            status, body = self.chronos(method, path, request["body"])
        elif server == "127.0.0.1:8500":
            status, body = 200, self.catalogue()
        elif f"port:{server}" in self.cut:
            return {"error": "Connection refused"}
        else:
            return {"status": 200, "body": f"{self.name}\n"}
        return {"status": status, "body": json.dumps(body)}

    @property
    def name(self) -> str:
        return str(self.app["id"])[1:] if self.app else ""

    def marathon(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if "marathon:m1" in self.cut:
            return 503, {"message": "Could not determine the current leader"}
        if path == "/v2/leader":
            return 200, {"leader": "m1:8080"}
        if method == "POST":
            self.app = body
            for agent in self.running():
                self.lines.append(f"{body['id'][1:]} app line from {agent}")
            return 201, body
        if self.app is None:
            return 404, {"message": "does not exist"}
        if method == "DELETE":
            self.app = None
            return 200, {}
        tasks = [{"host": a, "ports": [31000 + i], "state": "TASK_RUNNING"} for i, a in enumerate(self.running())]
        return 200, {"app": {**self.app, "tasks": tasks, "tasksRunning": len(tasks), "tasksHealthy": len(tasks)}}

    def running(self) -> list[str]:
        return [a for a in ("a1", "a2") if f"mesos_agent:{a}" not in self.cut]

    def catalogue(self) -> list[dict[str, Any]]:
        rows = [{"Node": a, "ServiceAddress": f"192.0.2.10{a[1]}", "ServicePort": 31000 + i}
                for i, a in enumerate(self.running()) if f"registrator:{a}" not in self.cut]
        return rows if self.app else []

    def chronos(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if path == "/v1/scheduler/leader":
            return 200, {"leader": "m1:4400"}
        if method == "POST":
            self.job = {"name": body["name"], "successCount": 0 if "job:m1" in self.cut else 1}
            if "job:m1" not in self.cut:
                self.files[self.running()[-1]] = f"{body['name']}\n"
            return 204, None
        if method == "DELETE":
            self.job = None
            return 204, None
        return 200, [self.job] if self.job else []

    def do_resolve(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        assert request["name"] == f"{self.name}.service.consul"
        if f"dns:{host.name}" in self.cut:
            return {"error": "Name or service not known"}
        return {"addresses": [row["ServiceAddress"] for row in self.catalogue()]}

    def do_log(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        times = 2 if f"twice:{host.name}" in self.cut else 0 if f"logstash:{host.name}" in self.cut else 1
        self.lines += [request["text"]] * times
        return {}

    def do_sizes(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        assert request["pattern"] == "/var/log/logstash/cluster-*.log"
        return {"sizes": {}}

    def do_lines(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        return {"lines": [json.dumps({"message": line}) for line in self.lines]}

    def do_read(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        return {"text": self.files.get(host.name)}

    def do_remove(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        self.files.pop(host.name, None)
        return {}

    def do_run(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
        command = request["command"]
        if command[1] == "rm":
            self.containers.discard(command[-1])
        elif "-d" in command:
            self.containers.add(command[command.index("--name") + 1])
        elif command[1] == "inspect":
            return {"code": 0, "output": "10.32.0.8"}
        elif f"overlay:{host.name}" in self.cut:
            return {"code": 1, "output": "wget: bad address"}
        found = re.search(r"http://(verify-\w+)-server:8080/ \|\| .*http://10\.32\.0\.8:8080/; then", command[-1])
        small = f"{SMALL_ONLY}\n" if f"packets:{host.name}" in self.cut else ""
        return {"code": 0, "output": small + found[1] if found else ""}

    def leads(self, name: str) -> dict[str, Any]:
        """What the probe says of a leader: a framework that has been registered since the clock began."""
        if f"framework:{name}" in self.cut:
            detail = f"leads, but the framework {name} is gone"
            return {"state": "down", "leader": True, "detail": detail, "facts": {"framework": "removed"}}
        if f"{name}:m1" in self.cut:
            return {"leader": False}
        return {"leader": True, "facts": {"framework": "registered", "registered_seconds": self.clock}}

    def empty(self) -> bool:
        """Nothing was left behind."""
        return self.app is None and self.job is None and not self.files and not self.containers


def proof(world: World, rendered: Mapping[str, Any] = RENDERED, away: str = "", deactivated: str = "") -> Proof:
    def look(hosts: tuple[str, ...]) -> Observation:
        seen = {}
        for host in HOSTS:
            health = {c.name: {"state": "down" if f"{c.name}:{host.name}" in world.cut else "ok", "detail": f"the unit {c.name} speaks",
                               "facts": {"deactivated": host.name == deactivated}} for c in COMPONENTS}
            for name in {"marathon", "chronos"} & host.groups:
                health[name].update(world.leads(name))
            seen[host.name] = HostObservation(host.name != away, "no route to host" if host.name == away else "", health=health)
        return Observation(seen)

    def sleep(seconds: float) -> None:
        world.clock += seconds

    return Proof(CLUSTER, rendered, world, look, sleep=sleep, clock=lambda: world.clock)


def test_a_whole_chain_is_proven_named_timed_and_left_clean() -> None:
    world, said = World(), list[str]()
    report = prove(proof(world), said.append)
    assert report.ok and world.empty()
    assert [s.name for s in report.steps][-1] == "nothing is left behind" and len(report.steps) == 9
    data = json.loads(json.dumps(report.as_json()))
    assert data["ok"] is True and data["broken"] == "" and set(data["steps"][0]) == {"name", "link", "ok", "seconds", "detail", "skipped"}
    assert len(said) == 1 + len(report.steps) and all(line.startswith("ok") for line in said[1:])


@pytest.mark.parametrize(("cut", "link", "says"), [
    ("marathon:m1", "Marathon on m1", "the unit marathon speaks"),
    ("framework:marathon", "Marathon on m1", "leads, but the framework marathon is gone"),
    ("framework:chronos", "Chronos on m1", "leads, but the framework chronos is gone"),
    ("mesos_agent:a2", "Mesos agent on a2", "no instance of the app runs there"),
    ("registrator:a2", "Registrator on a2", "Consul does not know it after 20 s; Registrator on a2: the unit registrator speaks"),
    ("dns:m1", "DNS on m1", "Name or service not known"),
    ("port:192.0.2.102:31001", "the way from m1 to a2:31001", "Connection refused"),
    ("chronos:m1", "Chronos on m1", "the unit chronos speaks"),
    ("job:m1", "Chronos on m1", "the job did not run within 120 s"),
    ("logstash:a1", "Logstash on a1", "host line from a1"),
    ("twice:a1", "log forwarding on a1", "arrived 2 times"),
    ("overlay:a2", "Docker on a2", "wget: bad address"),
    ("packets:a2", "the network between a2 and a1", "full ones do not: it carries less than Docker believes"),
])
def test_the_first_cut_link_is_named_with_its_cause_and_all_is_undone(cut: str, link: str, says: str) -> None:
    world = World(cut)
    report = prove(proof(world), lambda _: None)
    broken = next(s for s in report.steps if not s.ok)
    assert (report.as_json()["broken"], broken.link) == (link, link) and says in broken.detail
    assert not report.ok and all(s.ok for s in report.steps if s is not broken)
    world.cut.clear()
    assert world.empty()


def test_an_unreachable_host_is_found_before_anything_is_started() -> None:
    report = prove(proof(World(), away="a2"), lambda _: None)
    assert [s.link for s in report.steps] == ["SSH to a2"] and "no route to host" in report.steps[0].detail


def test_deactivated_agents_are_left_alone() -> None:
    world = World("mesos_agent:a2")
    report = prove(proof(world, deactivated="a2"), lambda _: None)
    assert report.ok and "left out, because deactivated: a2" in report.steps[0].detail
    assert [s.detail for s in report.steps if s.skipped] == ["skipped: there is only one agent"]


def test_without_an_overlay_the_step_says_so() -> None:
    rendered = {"all": {**RENDERED["all"], "vars": {**RENDERED["all"]["vars"], "docker_probe": {"overlay": "none"}}}}
    report = prove(proof(World(), rendered), lambda _: None)
    assert report.ok and [s.detail for s in report.steps if s.skipped] == ["skipped: docker_overlay is none"]


def test_an_interrupt_cleans_up_and_goes_on_to_end_the_command() -> None:
    class Interrupted(World):
        def do_resolve(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
            raise KeyboardInterrupt

    world = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        prove(proof(world), lambda _: None)
    assert world.empty()


def test_cleaning_goes_on_after_something_that_can_not_be_cleaned() -> None:
    class Stubborn(World):
        def do_run(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
            return {"code": 1, "output": "device busy"} if request["command"][1] == "rm" else super().do_run(host, request)

    world = Stubborn()
    report = prove(proof(world), lambda _: None)
    assert (report.steps[-1].ok, report.steps[-1].link) == (False, "Docker on a1") and world.app is None and world.job is None


def test_a_name_that_outlives_its_app_is_a_fault_and_is_taken_out() -> None:
    class Stale(World):
        left: tuple[str, ...] = ("a2:mesos-1:8080",)

        def do_http(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
            if request["path"] == "/v1/agent/service/deregister/a2%3Amesos-1%3A8080":
                assert (host.name, request["method"]) == ("a2", "PUT")
                self.left = ()
                return {"status": 200, "body": ""}
            return super().do_http(host, request)

        def catalogue(self) -> list[dict[str, Any]]:
            return super().catalogue() or [{"Node": "a2", "ServiceID": i} for i in self.left]

    world = Stale()
    report = prove(proof(world), lambda _: None)
    assert (report.as_json()["broken"], world.left) == ("Registrator on a2", ())
    assert "Consul still has its name" in report.steps[-1].detail


def test_a_host_that_goes_away_in_the_middle_is_named() -> None:
    class Gone(World):
        def do_resolve(self, host: Host, request: dict[str, Any]) -> dict[str, Any]:
            raise UnreachableError("connection timed out", where="m1")

    report = prove(proof(Gone()), lambda _: None)
    assert report.as_json()["broken"] == "SSH to m1"


def test_a_framework_that_is_gone_is_named_before_anything_is_started_and_without_waiting() -> None:
    world = World("framework:chronos")
    report = prove(proof(world), lambda _: None)
    assert [s.name for s in report.steps if not s.ok] == ["Mesos knows the frameworks of the leaders"] and len(report.steps) == 2
    assert world.clock == 0.0


def test_a_leader_that_has_just_been_elected_is_waited_for_and_its_not_found_is_not_believed() -> None:
    class JustElected(World):
        """The leaders are registered after 4 s; Marathon's finds its apps at 10 s."""

        def leads(self, name: str) -> dict[str, Any]:
            return super().leads(name) if self.clock >= 4 else {"leader": True, "state": "down", "facts": {"framework": "missing"}}

        def marathon(self, method: str, path: str, body: Any) -> tuple[int, Any]:
            if method == "DELETE" and self.clock < 10:
                return 404, {"message": "does not exist"}
            return super().marathon(method, path, body)

    world = JustElected("port:192.0.2.102:31001")
    report = prove(proof(world), lambda _: None)
    assert report.steps[1].ok and world.empty(), "nothing is left behind"


class Here:
    """A transport to this machine."""

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Any = None) -> Completed:
        done = subprocess.run(["sh", "-c", command], input=stdin, capture_output=True, timeout=timeout, check=False)
        return Completed(done.returncode, done.stdout, done.stderr, 0.0)


def test_calls_really_run(tmp_path: Path) -> None:
    calls, here = RemoteCalls(Here()), HOSTS[0]
    file = tmp_path / "a-1.log"
    file.write_text("old token\n")
    sizes = calls.send(here, "sizes", pattern=f"{tmp_path}/*.log")["sizes"]
    with file.open("a") as log:
        log.write("new token\nother\n")
    assert calls.send(here, "lines", pattern=f"{tmp_path}/*.log", needle="token", sizes=sizes) == {"lines": ["new token\n"]}
    assert calls.send(here, "read", path=str(file))["text"].startswith("old")
    calls.send(here, "remove", path=str(file))
    assert not file.exists() and calls.send(here, "read", path=str(file)) == {"text": None}
    assert calls.send(here, "resolve", name="localhost") == {"addresses": ["127.0.0.1"]}
    assert calls.run(here, "sh", "-c", "echo 'it''s'; exit 3") == (3, "its")
    assert calls.run(here, "no-such-program")[0] == 127
    assert calls.get(here, "127.0.0.1:1", "/").status == 0


def test_a_host_without_python_is_a_broken_link() -> None:
    class Bare(Here):
        def run(self, host: Host, command: str, stdin: bytes = b"", **options: Any) -> Completed:
            return Completed(127, b"", b"python3: not found", 0.0)

    with pytest.raises(BrokenLink, match="python3: not found") as broken:
        RemoteCalls(Bare()).get(HOSTS[0], "127.0.0.1:1", "/")
    assert broken.value.link == "Python on m1"
