"""The stand-in of Marathon, and what it shares with that of Chronos, without ZooKeeper and without Docker.

How a member leads, and what ends it: test_standin_members.py.
"""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from marathon_standin.api import MarathonApi
from marathon_standin.apps import InvalidAppError, mappings, normalize
from marathon_standin.config import configure, flags
from marathon_standin.health import judge
from marathon_standin.instances import Health, Instance
from marathon_standin.placement import place
from marathon_standin.rollout import decide
from marathon_standin.scheduler import Scheduler, Settings
from mesos_framework import mesos_client
from mesos_framework.doors import Listener
from mesos_framework.election import leader_of
from mesos_framework.flags import FlagError, expand, from_environment, parse
from mesos_framework.http_api import Answer, Api, Leadership, Manners, Route, serve
from mesos_framework.mesos_client import Credential, MesosScheduler, RefusedError, RemovedError, records
from mesos_framework.offers import Pool
from mesos_framework.state_store import MemoryStore
from mesos_framework.urls import UrlError, leading_master, parse_zk

Json = dict[str, Any]
MASTER = "zk://mesos:pw@10.0.0.1:2181,10.0.0.2:2181/mesos"


def offer(number: int = 1, cpus: float = 4, host: str = "a1") -> Json:
    return {
        "id": {"value": f"O{number}"}, "framework_id": {"value": "F"}, "agent_id": {"value": f"S-{host}"}, "hostname": host,
        "url": {"scheme": "http", "address": {"hostname": host, "ip": "10.0.0.9", "port": 5051}, "path": "/slave(1)"},
        "attributes": [{"name": "rack", "type": "TEXT", "text": {"value": "r1"}}],
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, "role": "*"},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024.0}, "role": "*"},
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 9.0}, "role": "other"},
            {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31005}]}, "role": "*"},
        ],
    }


def status(task_id: str, state: str) -> Json:
    about = {"task_id": {"value": task_id}, "agent_id": {"value": "S-a1"}, "uuid": "dQ==", "state": state}
    return {"type": "UPDATE", "update": {"status": {**about, "timestamp": time.time(), "message": "m"}}}


class Leader:
    """A scheduler with its API, and the Mesos calls it made."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.calls: list[tuple[str, Json]] = []
        self.scheduler = Scheduler(store or MemoryStore(), lambda kind, body: self.calls.append((kind, body)), Settings())
        self.scheduler.load()
        api = MarathonApi(self.scheduler, {"name": "marathon"}, lambda: "m1:8080", lambda: "F")
        self.api = Api(api.routes(), Leadership("m1:8080", lambda: "m1:8080", lambda: True), Manners("X-Marathon-Leader"))

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        return self.api.answer(method, path, json.dumps(body).encode(), {})

    def offers(self, *offers: Json) -> list[Json]:
        """Makes offers; returns the TaskInfos that were launched on them."""
        self.calls.clear()
        self.scheduler.on_event({"type": "OFFERS", "offers": {"offers": list(offers)}})
        accepted = [b["accept"] for k, b in self.calls if k == "ACCEPT"]
        return [t for a in accepted for o in a["operations"] for t in o["launch"]["task_infos"]]

    def run_one(self) -> str:
        """Launches a task on a new offer and lets it run."""
        task_id = str(self.offers(offer())[0]["task_id"]["value"])
        self.scheduler.on_event(status(task_id, "TASK_RUNNING"))
        return task_id

    def kills(self) -> list[str]:
        return [b["kill"]["task_id"]["value"] for k, b in self.calls if k == "KILL"]


BRIDGE: Json = {
    "id": "/web", "instances": 1, "cpus": 0.1, "mem": 32,
    "container": {"type": "DOCKER", "docker": {"image": "busybox:1.35"},
                  "portMappings": [{"containerPort": 8080, "hostPort": 0, "name": "http"}]},
    "networks": [{"mode": "container/bridge"}], "env": {"SERVICE_NAME": "web"}, "args": ["httpd", "-f"],
}


# Flags ---------------------------------------------------------------------------------------------------------------


def test_environment_becomes_flags() -> None:
    environ = {"MARATHON_HTTP_PORT": "8081", "MARATHON_HA": "", "MARATHON_APP_ID": "/x", "PATH": "/bin"}
    assert from_environment(environ, "MARATHON_") == ["--http_port", "8081", "--ha"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--mastr", "x"], "Unknown option 'mastr'"),
    ([], "Required option 'master' not found"),
    (["--master", "x:1", "--http_port", "abc"], "Bad arguments for option 'http_port': 'abc'"),
    (["--master", "x:1", "--master", "y:1"], "exactly one argument"),
    (["--master", "x:1", "--ha", "true"], "Excess arguments provided: 'true'"),
    (["--master", "x:1", "--logging_level", "loud"], "Validation failure for 'logging_level'"),
    (["--master", "x:1", "--mesos_authentication"], "mesos_authentication_principal"),
    (["--master", "x:1", "--default_accepted_resource_roles", "a"], "removed in 1.10"),
    (["x"], "Excess arguments provided: 'x'"),
])
def test_bad_flags_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(FlagError, match=message.replace("(", r"\(")):
        parse(flags(), arguments)


def test_negation_and_defaults() -> None:
    values = parse(flags(), ["--master", "x:1", "--disable_checkpoint"])
    assert (values["checkpoint"], values["ha"], values["http_port"]) == (False, True, 8080)


def test_a_file_replaces_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "args"
    file.write_text("--master x:1\n--http_port 1\n")
    assert expand([f"@{file}", "--http_port", "2"]) == ["--master", "x:1", "--http_port", "1"]
    with pytest.raises(FlagError):
        expand([f"@{tmp_path}/missing"])


def test_configuration(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3")
    config = configure({
        "MARATHON_MASTER": MASTER, "MARATHON_ZK": "zk://marathon:pw@10.0.0.1:2181/marathon", "MARATHON_HOSTNAME": "m1",
        "MARATHON_MESOS_AUTHENTICATION": "", "MARATHON_MESOS_AUTHENTICATION_PRINCIPAL": "marathon",
        "MARATHON_MESOS_AUTHENTICATION_SECRET_FILE": str(secret), "MARATHON_MESOS_USER": "root",
    }, [])
    assert config.credential == Credential("marathon", "s3")
    assert config.own == "m1:8080"
    assert config.zk.auth == "marathon:pw"
    assert "pw" not in json.dumps(config.info())
    info = config.framework_info("F-1")
    assert (info["id"], info["roles"], info["user"], info["failover_timeout"]) == ({"value": "F-1"}, ["*"], "root", 604800)


@pytest.mark.parametrize("environ", [
    {"MARATHON_MASTER": "zk://nothing"}, {"MARATHON_MASTER": "x:1", "MARATHON_ZK": "http://x"},
    {"MARATHON_MASTER": "x:1", "MARATHON_DISABLE_HA": ""}, {"MARATHON_MASTER": "x:1", "MARATHON_DISABLE_HTTP": ""},
    {"MARATHON_MASTER": "x:1", "MARATHON_PLUGIN_CONF": "x", "MARATHON_PLUGIN_DIR": "y"},
])
def test_configurations_it_cannot_honour(environ: dict[str, str]) -> None:
    with pytest.raises(FlagError):
        configure(environ, [])


# ZooKeeper names -----------------------------------------------------------------------------------------------------


def test_zk_urls() -> None:
    url = parse_zk(MASTER)
    assert (url.hosts, url.path, url.auth) == ("10.0.0.1:2181,10.0.0.2:2181", "/mesos", "mesos:pw")
    assert url.redacted == "zk://xxxxxxxx:xxxxxxxx@10.0.0.1:2181,10.0.0.2:2181/mesos"
    with pytest.raises(UrlError):
        parse_zk("zk://host-without-port/x")


def test_the_lowest_node_leads() -> None:
    nodes = {"json.info_0000000010": b'{"address":{"ip":"10.0.0.2","port":5050}}',
             "json.info_0000000009": b'{"address":{"ip":"10.0.0.1","port":5050},"ip":16777343}', "log_replicas": b""}
    assert leading_master(nodes) == "10.0.0.1:5050"
    assert leading_master({}) == ""
    assert leader_of(["_c_b-latch-0000000003", "_c_a-latch-0000000012"]) == "_c_b-latch-0000000003"
    assert leader_of([]) == ""


# The Mesos client ----------------------------------------------------------------------------------------------------


class FakeMaster(ThreadingHTTPServer):
    """Answers SUBSCRIBE with prepared events and notes every other call."""

    daemon_threads = True

    def __init__(self, status_code: int, events: list[Json]) -> None:
        super().__init__(("127.0.0.1", 0), _FakeMasterHandler)
        self.status_code, self.events = status_code, events
        self.calls: list[tuple[Json, dict[str, str]]] = []
        self.subscriptions: list[Json] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def at(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _FakeMasterHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeMaster

    def do_POST(self) -> None:
        call = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.close_connection = True
        if call["type"] != "SUBSCRIBE":
            self.server.calls.append((call, dict(self.headers.items())))
            self._head(202 if self.headers["Mesos-Stream-Id"] == "stream-1" else 400)
            return
        self.server.subscriptions.append(call)
        if self.server.status_code != 200:
            self._head(self.server.status_code)
            return
        self.send_response(200)
        self.send_header("Mesos-Stream-Id", "stream-1")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in self.server.events:
            text = json.dumps(event).encode()
            record = b"%d\n%s" % (len(text), text)
            # In two chunks, cut at an odd place: chunks are no records.
            for chunk in (record[:7], record[7:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_client, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(mesos_client, "DETECT_SECONDS", 0.01)


SUBSCRIBED = {"type": "SUBSCRIBED", "subscribed": {"framework_id": {"value": "F-7"}, "heartbeat_interval_seconds": 15.0}}


def masters(*answers: tuple[int, list[Json]]) -> Iterator[FakeMaster]:
    for code, events in answers:
        yield FakeMaster(code, events)


def test_subscription_is_renewed_and_calls_carry_the_stream() -> None:
    busy, good, last = masters((503, []), (200, [SUBSCRIBED, {"type": "HEARTBEAT"}, status("t", "TASK_RUNNING")]), (401, []))
    found, turn, sent = [], iter([busy.at, "", good.at]), []

    def on_event(event: Json) -> None:
        found.append(event["type"])
        sent.append(client.call("REVIVE"))

    client = MesosScheduler(lambda: next(turn, last.at), {"name": "m"}, Credential("p", "s"), on_event, lambda: found.append("lost"))
    assert client.call("REVIVE") is False
    with pytest.raises(RefusedError, match="401"):
        client.run()
    assert found == ["SUBSCRIBED", "UPDATE", "lost"]
    assert sent == [True, True]
    call, headers = good.calls[0]
    assert (call["type"], call["framework_id"]) == ("REVIVE", {"value": "F-7"})
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"p:s").decode()
    assert "framework_id" not in good.subscriptions[0]
    again = last.subscriptions[0]
    assert again["framework_id"] == again["subscribe"]["framework_info"]["id"] == {"value": "F-7"}


REMOVED = {"type": "ERROR", "error": {"message": "Framework has been removed"}}


def test_a_removed_id_is_refused() -> None:
    (master,) = masters((200, [REMOVED]))
    with pytest.raises(RemovedError):
        MesosScheduler(lambda: master.at, {"id": {"value": "F"}}, Credential(), lambda _e: None, lambda: None).run()


def test_a_removed_framework_is_told_nothing_by_a_master_that_goes_on_leading() -> None:
    (master,) = masters((200, [SUBSCRIBED]))
    silence = threading.Event()

    def over() -> None:
        silence.set()
        raise RefusedError("the process ends here")

    def on_event(_event: Json) -> None:
        master.events[:] = [REMOVED]

    client = MesosScheduler(lambda: master.at, {}, Credential(), on_event, over, heartbeat_seconds=0.2)
    with pytest.raises(RefusedError, match="ends here"):
        client.run()
    assert silence.is_set()
    assert len(master.subscriptions) == 2, "it asked again while it was to go on without a word"


def test_a_removed_framework_is_refused_by_the_next_master() -> None:
    first, second = masters((200, [SUBSCRIBED]), (200, [REMOVED]))
    leading, lost = [first.at], []

    def on_event(_event: Json) -> None:
        first.events[:] = [REMOVED]
        threading.Timer(0.2, leading.__setitem__, (0, second.at)).start()

    client = MesosScheduler(lambda: leading[0], {}, Credential(), on_event, lambda: lost.append("lost"))
    with pytest.raises(RemovedError):
        client.run()
    assert lost == ["lost"]


def test_who_watches_for_the_next_master_goes_with_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesos_client, "DETECT_SECONDS", 60)
    (master,) = masters((200, [SUBSCRIBED]))
    before = set(threading.enumerate())

    def on_event(_event: Json) -> None:
        master.status_code = 200 if len(master.subscriptions) < 5 else 401

    with pytest.raises(RefusedError, match="401"):
        MesosScheduler(lambda: master.at, {}, Credential(), on_event, lambda: None).run()
    assert len(master.subscriptions) == 6
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
        assert not thread.is_alive()


def test_records_end_with_the_stream() -> None:
    assert list(records(io.BytesIO(b"2\n{}\n3\n[1]9\n{cut"))) == [b"{}", b"[1]"]


# Apps and placement --------------------------------------------------------------------------------------------------


def test_older_spellings_become_current_ones() -> None:
    app = normalize({"id": "web", "cpus": 0.1, "container": {"docker": {
        "image": "x", "network": "BRIDGE", "portMappings": [{"containerPort": 80}]}}})
    assert (app["id"], app["networks"], mappings(app)[0]["containerPort"]) == ("/web", [{"mode": "container/bridge"}], 80)
    assert mappings(app)[0]["hostPort"] == 0
    host = normalize({"id": "h", "cmd": "true", "ports": [0, 0]})
    assert len(host["portDefinitions"]) == 2


@pytest.mark.parametrize(("document", "path"), [
    ({"id": "/Web", "cmd": "true"}, "/id"),
    ({"id": "/web"}, "/"),
    ({"id": "/web", "cmd": "true", "cpus": "1"}, "/cpus"),
    ({"id": "/web", "cmd": "true", "instances": -1}, "/instances"),
    ({"id": "/web", "cmd": "true", "args": ["x"]}, "/cmd"),
    ({"id": "/web", "cmd": "true", "constraints": [["hostname", "NEAR"]]}, "/constraints(0)"),
    ({"id": "/web", "cmd": "true", "healthChecks": [{"protocol": "HTTP", "portIndex": 3}]}, "/healthChecks(0)"),
    ({"id": "/web", "container": {"type": "DOCKER", "docker": {}}}, "/container/docker/image"),
    ([], "/"),
])
def test_bad_apps_are_refused(document: object, path: str) -> None:
    with pytest.raises(InvalidAppError) as caught:
        normalize(document)
    assert path in [d["path"] for d in caught.value.details]


def test_placement_of_a_bridged_container() -> None:
    app = {**normalize(BRIDGE), "version": "v1"}
    placed = place(app, Pool.of(offer()), [])
    assert placed
    instance, task = placed
    (port,) = instance.ports
    assert port in range(31000, 31006)
    assert task["container"]["docker"]["port_mappings"] == [{"host_port": port, "container_port": 8080, "protocol": "tcp"}]
    assert task["container"]["docker"]["network"] == "BRIDGE"
    assert task["command"]["shell"] is False and task["command"]["arguments"] == ["httpd", "-f"]
    told = {v["name"]: v["value"] for v in task["command"]["environment"]["variables"]}
    assert (told["PORT0"], told["PORT_8080"], told["PORT_HTTP"], told["HOST"]) == (str(port), str(port), str(port), "a1")
    assert (told["SERVICE_NAME"], told["MARATHON_APP_ID"], told["MESOS_TASK_ID"]) == ("web", "/web", instance.task_id)
    assert {r["name"] for r in task["resources"]} == {"cpus", "mem", "ports"}
    assert instance.address == "10.0.0.9"


def test_placement_on_other_networks() -> None:
    host = {**normalize({"id": "/h", "cmd": "sleep 1", "cpus": 0.1}), "version": "v"}
    placed = place(host, Pool.of(offer()), [])
    assert placed and "container" not in placed[1] and placed[1]["command"]["value"] == "sleep 1"
    overlay = {**normalize({**BRIDGE, "networks": [{"mode": "container", "name": "cluster"}]}), "version": "v"}
    overlay["container"] = {**overlay["container"], "portMappings": [{"containerPort": 8080}]}
    placed = place(overlay, Pool.of(offer()), [])
    assert placed and placed[1]["container"]["network_infos"] == [{"name": "cluster"}]
    assert "port_mappings" not in placed[1]["container"]["docker"] and placed[0].ports == []


@pytest.mark.parametrize(("constraint", "hosts", "fits"), [
    (["hostname", "UNIQUE"], ["a1"], False), (["hostname", "UNIQUE"], ["a2"], True),
    (["hostname", "CLUSTER", "a2"], [], False), (["rack", "LIKE", "r[12]"], [], True), (["rack", "UNLIKE", "r1"], [], False),
    (["zone", "LIKE", ".*"], [], False), (["hostname", "MAX_PER", "2"], ["a1", "a1"], False),
])
def test_constraints(constraint: list[str], hosts: list[str], fits: bool) -> None:
    app = {**normalize({**BRIDGE, "constraints": [constraint]}), "version": "v"}
    assert (place(app, Pool.of(offer()), hosts) is not None) is fits


def test_reserved_resources_are_left_alone() -> None:
    assert place({**normalize({**BRIDGE, "cpus": 5}), "version": "v"}, Pool.of(offer()), []) is None


def test_ports_are_random_ones_of_the_offer() -> None:
    taken = [Pool.of(offer()).take({}, [0, 31002])[1] for _ in range(50)]
    assert {chosen for _, chosen in taken} == {31002}
    assert len({chosen for chosen, _ in taken}) > 1
    assert {chosen for chosen, _ in taken} <= {31000, 31001, 31003, 31004, 31005}


# Rollout -------------------------------------------------------------------------------------------------------------


def copy(name: str, version: str, state: str = "TASK_RUNNING", staged: float = 1.0) -> Instance:
    return Instance(name, "/web", version, "S", "a1", "10.0.0.9", [31000], state=state, staged_at=staged, started_at=staged)


def test_rollout_keeps_the_old_until_the_new_runs() -> None:
    app = {**normalize({**BRIDGE, "instances": 2}), "version": "2"}
    old = [copy("a", "1"), copy("b", "1")]
    assert decide(app, old).start == 2 and not decide(app, old).end
    half = [*old, copy("c", "2"), copy("d", "2", "TASK_STAGING")]
    assert decide(app, half).end == ("a",)
    assert decide(app, [copy("c", "2"), copy("d", "2")]).done


def test_scaling_down_ends_the_youngest() -> None:
    app = {**normalize(BRIDGE), "version": "1"}
    assert decide(app, [copy("new", "1", staged=9), copy("old", "1", staged=1)]).end == ("new",)


# The scheduler and its API -------------------------------------------------------------------------------------------


def test_an_app_from_request_to_removal() -> None:
    leader = Leader()
    made = leader.ask("POST", "/v2/apps", BRIDGE)
    assert made.status == 201 and made.body["deployments"] and made.headers["X-Marathon-Leader"] == "http://m1:8080"
    assert leader.ask("POST", "/v2/apps", BRIDGE).status == 409
    locked = leader.ask("PUT", "/v2/apps/web", {"instances": 2})
    assert locked.status == 409 and locked.body["deployments"]
    task_id = leader.run_one()
    assert [k for k, _ in leader.calls] == ["ACCEPT", "ACKNOWLEDGE"]
    shown = leader.ask("GET", "/v2/apps//web").body["app"]
    assert (shown["tasksRunning"], len(shown["tasks"][0]["ports"]), shown["deployments"]) == (1, 1, [])
    assert leader.ask("PUT", "/v2/apps/web", {"instances": 2}).status == 200
    assert len(leader.offers(offer(2))) == 1
    assert leader.ask("DELETE", "/v2/apps/web").status == 200
    assert leader.kills()[0] == task_id
    for task in leader.kills():
        leader.scheduler.on_event(status(task, "TASK_KILLED"))
    assert leader.ask("GET", "/v2/deployments").body == []
    assert leader.ask("GET", "/v2/apps/web").status == 404
    assert leader.ask("GET", "/v2/apps/web").body == {"message": "App '/web' does not exist"}


def test_a_failed_task_is_replaced_after_a_pause() -> None:
    leader = Leader()
    leader.ask("POST", "/v2/apps", BRIDGE)
    task_id = leader.run_one()
    leader.scheduler.on_event(status(task_id, "TASK_FAILED"))
    assert leader.offers(offer(2)) == []
    assert leader.calls[0] == ("DECLINE", {"decline": {"offer_ids": [{"value": "O2"}], "filters": {"refuse_seconds": 120.0}}})
    assert leader.ask("GET", "/v2/apps/web").body["app"]["lastTaskFailure"]["state"] == "TASK_FAILED"
    leader.scheduler.backoffs["/web"].until = 0
    assert len(leader.offers(offer(3))) == 1


def test_the_next_leader_takes_over() -> None:
    store = MemoryStore()
    first = Leader(store)
    first.ask("POST", "/v2/apps", BRIDGE)
    task_id = first.run_one()
    second = Leader(store)
    assert second.ask("GET", "/v2/tasks").body["tasks"][0]["id"] == task_id
    second.scheduler.on_event(SUBSCRIBED)
    second.scheduler.reconcile_at = 0
    second.calls.clear()
    second.scheduler.tick()
    assert second.calls == [("RECONCILE", {"reconcile": {"tasks": [
        {"task_id": {"value": task_id}, "agent_id": {"value": "S-a1"}}]}})]
    second.scheduler.on_event(status(task_id, "TASK_LOST"))
    second.scheduler.backoffs["/web"].until = 0
    assert len(second.offers(offer(5))) == 1


def test_a_task_nobody_knows_is_killed() -> None:
    leader = Leader()
    leader.scheduler.on_event(status("stray", "TASK_RUNNING"))
    assert leader.kills() == ["stray"]


def test_a_new_version_replaces_the_old_one() -> None:
    leader = Leader()
    leader.ask("POST", "/v2/apps", BRIDGE)
    old = leader.run_one()
    assert leader.ask("PUT", "/v2/apps/web", {"env": {"A": "1"}}).status == 200
    assert leader.kills() == []
    leader.run_one()
    leader.scheduler.on_event(status(old, "TASK_KILLED"))
    assert leader.ask("GET", "/v2/apps/web").body["app"]["deployments"] == []


@pytest.mark.parametrize(("method", "path", "body", "code"), [
    ("GET", "/ping", None, 200), ("GET", "/v2/info", None, 200), ("GET", "/v2/leader", None, 200), ("GET", "/v2/apps", None, 200),
    ("POST", "/v2/apps", {"id": "/x"}, 422), ("PUT", "/v2/apps/x", {}, 422),
    ("GET", "/nowhere", None, 404), ("POST", "/ping", None, 405), ("DELETE", "/v2/apps/none", None, 404),
    ("GET", "/v2/apps/none/tasks", None, 404), ("PUT", "/v2/apps", [BRIDGE], 201),
])
def test_status_codes(method: str, path: str, body: object, code: int) -> None:
    assert Leader().ask(method, path, body).status == code


def test_bad_json_is_400() -> None:
    assert Leader().api.answer("POST", "/v2/apps", b"{", {}).status == 400


# Health --------------------------------------------------------------------------------------------------------------


def test_health_outcomes() -> None:
    check = {"gracePeriodSeconds": 10, "maxConsecutiveFailures": 2}
    instance, health = copy("a", "1", staged=100), Health()
    assert judge(check, instance, health, "refused", 105) is False
    assert health.failures == 0
    judge(check, instance, health, "", 106)
    assert health.alive and instance.ready(0)
    assert judge(check, instance, health, "500", 107) is False
    assert not health.alive
    assert judge(check, instance, health, "500", 108) is True


# Following -----------------------------------------------------------------------------------------------------------


MANNERS = Manners("X-Marathon-Leader", "X-Marathon-Via", wait_seconds=0.2, failure=502)


def test_followers_pass_requests_on() -> None:
    answers = Api((Route("GET", "/x", lambda r: Answer(200, {"q": dict(r.query)})),),
                  Leadership("leader:1", lambda: "leader:1", lambda: True), MANNERS)
    server = serve(answers, Listener("127.0.0.1", 0), "Test/1")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    leader = f"127.0.0.1:{server.server_port}"
    follower = Api((), Leadership("f:1", lambda: leader, lambda: False), MANNERS)
    passed = follower.answer("GET", "/x?a=1", b"", {"Accept": "application/json"})
    assert (passed.status, json.loads(passed.data())) == (200, {"q": {"a": "1"}})
    assert passed.headers["X-Marathon-Leader"] == "http://leader:1"
    assert passed.headers["X-Marathon-Via"] == "f:1"
    assert follower.answer("GET", "/x", b"", {"X-Marathon-Via": "f:1"}).status == 502
    server.shutdown()
    server.server_close()
    assert follower.answer("GET", "/x", b"", {}).status == 502


def test_every_recorded_flag_is_there() -> None:
    names = [f.name for f in flags()]
    assert len(names) == len(set(names)) == 138
