"""The main job on five hosts: it is healthy, it proves itself, names what is broken, and survives the loss of a master."""

from __future__ import annotations

import json
import re
import shlex
import socket
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from kazoo.client import KazooClient

from tests.lab.support.checkout import ClusterUnderTest, eventually, provision
from tests.lab.support.fixtures import Members

pytestmark = pytest.mark.provision(masters=3, agents=2)

APP = {"id": "/survivor", "instances": 2, "cpus": 0.1, "mem": 32, "constraints": [["hostname", "UNIQUE"]],
       "cmd": "echo alive > /tmp/index.html && exec httpd -f -p 8000 -h /tmp", "env": {"SERVICE_NAME": "survivor"}}
#: dnsmasq answers the name; the port stands in Consul's catalogue.
ASK_APP = """
import json, pathlib, socket, urllib.request
credentials = pathlib.Path("/etc/provisioner/credentials/consul.json")
headers = json.loads(credentials.read_text()) if credentials.exists() else {}
catalogue = urllib.request.Request("http://127.0.0.1:8500/v1/catalog/service/survivor", headers=headers)
found = json.load(urllib.request.urlopen(catalogue, timeout=5))
ports = {one["ServiceAddress"] or one["Address"]: one["ServicePort"] for one in found}
address = socket.gethostbyname("survivor.service.consul")
print(urllib.request.urlopen("http://%s:%d/" % (address, ports[address]), timeout=5).read().decode())
"""


#: To Consul's keys, and whether ZooKeeper's and Logstash's ports of that address take a connection.
WRITE = """
import socket, sys, urllib.error, urllib.request
try:
    asked = urllib.request.Request("http://127.0.0.1:8500/v1/kv/intruder", b"x", method="PUT")
    print(urllib.request.urlopen(asked, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
for port in (2181, 6514):
    try:
        socket.create_connection((sys.argv[1], port), 5)
        print("connected")
    except ConnectionRefusedError:
        print("refused")
"""


def test_status_is_healthy_and_complete(cluster: ClusterUnderTest) -> None:
    eventually("all is well", 60, lambda: bool(cluster.status()["healthy"]))
    done = cluster.run("status", "--json", check=False)
    status = json.loads(done.stdout)
    assert (done.returncode, status["healthy"], status["problems"]) == (0, True, [])
    rows = status["components"]
    assert {r["state"] for r in rows} == {"ok"}
    count = {c: sum(r["component"] == c for r in rows) for c in {r["component"] for r in rows}}
    expected = {"zookeeper": 3, "mesos_master": 3, "mesos_agent": 2, "marathon": 3, "chronos": 3,
                "consul": 5, "registrator": 2, "logstash": 5}
    assert {k: count[k] for k in expected} == expected
    for component in ("zookeeper", "mesos_master", "marathon", "chronos", "consul"):
        assert sum(r["leader"] for r in rows if r["component"] == component) == 1, component
    stand_ins = {r["component"] for r in rows if r["stand_in"]}
    assert stand_ins == {"marathon", "chronos", "registrator", "logstash"}
    ours = [r for r in rows if r["component"] in ("mesos_master", "mesos_agent")]
    assert {r["version"] for r in ours} == {"1.11.0"}
    assert all("executors and fetcher are the lab's" in r["detail"] for r in ours if r["component"] == "mesos_agent")


def test_a_second_run_finds_nothing_to_change(cluster: ClusterUnderTest) -> None:
    assert cluster.up()["changed"] == 0


def test_a_znode_written_on_one_member_is_read_on_another(zookeeper: Callable[[str], KazooClient]) -> None:
    path, value = f"/e2e-{uuid.uuid4().hex}", uuid.uuid4().hex.encode()
    writer, reader = zookeeper("m1"), zookeeper("m3")
    writer.create(path, value)
    reader.sync(path)
    assert reader.get(path)[0] == value
    writer.delete(path)
    acl = {a.id.scheme: a.perms for a in reader.get_acls("/mesos")[0]}
    assert acl == {"digest": 31}, "strangers may read /mesos"


@pytest.mark.parametrize(("component", "port", "requests"), [
    ("marathon", 8080, [("/v2/apps", {"id": "/intruder", "cmd": "id", "instances": 1}), ("/v2/apps", None)]),
    ("chronos", 4400, [("/v1/scheduler/iso8601", {"name": "intruder", "schedule": "R1//PT1M", "command": "id"}),
                       ("/v1/scheduler/jobs", None)]),
    ("mesos_master", 5050, [("/state", None), ("/api/v1", {"type": "GET_STATE"}), ("/teardown", {"frameworkId": "nobody"}),
                            ("/files/browse?path=/", None)]),
    ("mesos_agent", 5051, [("/state", None), ("/containers", None), ("/api/v1", {"type": "GET_STATE"}), ("/files/browse?path=/", None)]),
])
def test_whoever_brings_no_password_is_refused_by_every_member(
        members: Members, component: str, port: int, requests: list[tuple[str, Any]]) -> None:
    """As one `curl` would do it, from this machine, which is no host of the cluster: whether they see or start something."""
    said = {}
    for host, address in members(component).items():
        for path, body in requests:
            data = None if body is None else json.dumps(body).encode()
            asked = urllib.request.Request(f"http://{address}:{port}{path}", data, {"Content-Type": "application/json"})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked, timeout=20)  # noqa: S310 - an address of the lab
            said[host, path] = refused.value.code
    assert set(said.values()) == {401}, said


def test_nobody_of_these_started_anything(cluster: ClusterUnderTest) -> None:
    assert "intruder" not in json.dumps([cluster.marathon.ask("GET", "/v2/apps"), cluster.chronos.ask("GET", "/v1/scheduler/jobs")])


@pytest.mark.parametrize(("component", "port"), [("consul", 8500), ("zookeeper", 2181), ("logstash_server", 6514)])
def test_what_only_members_need_is_not_even_reached(members: Members, component: str, port: int) -> None:
    """From this machine: nothing is written to Consul's keys, ZooKeeper's nodes, or the logs."""
    for address in members(component).values():
        with pytest.raises(OSError, match=r"timed out|refused"):
            socket.create_connection((address, port), 2)


def test_a_user_of_a_host_writes_nothing_either(cluster: ClusterUnderTest, members: Members) -> None:
    """By loopback or by the host's address."""
    leader, address = next(iter(members("zookeeper").items()))
    said = cluster.host(leader).run(f"setpriv --reuid=65534 --regid=65534 --clear-groups python3 -c {shlex.quote(WRITE)} {address}")
    assert said.split() == ["403", "refused", "refused"]


def test_verify_passes(cluster: ClusterUnderTest) -> None:
    cluster.run("verify")


def test_secrets_are_nowhere_to_be_seen(cluster: ClusterUnderTest, inventory: dict[str, Any]) -> None:
    # A certificate is for everybody.
    values = [v for k, v in inventory["all"]["vars"].items() if k.startswith("vault_") and not v.startswith("-----BEGIN CERTIFICATE")]
    assert len(values) >= 8
    for host in ("m1", "a1"):
        seen = cluster.host(host).run(
            "ps axww -o args; journalctl --no-pager -o cat 2>/dev/null; find /etc -type f -perm /044 -exec cat {} + ")
        assert [v for v in values if v in seen] == [], host


def test_verify_names_the_link_that_broke(cluster: ClusterUnderTest) -> None:
    cluster.host("a1").run("systemctl stop registrator")
    try:
        done = cluster.run("verify", check=False)
        text = done.stdout + done.stderr
        assert done.returncode == 5, text
        assert re.search(r"registrator.*a1|a1.*registrator", text, re.IGNORECASE), text
        assert not cluster.status()["healthy"]
    finally:
        cluster.host("a1").run("systemctl start registrator")
    cluster.run("verify")


def test_run_and_ssh(cluster: ClusterUnderTest) -> None:
    done = cluster.run("run", "--limit", "agents", "cat /etc/hostname")
    assert {"a1", "a2"} <= set(done.stdout.split())
    assert "m1" not in done.stdout
    assert provision("ssh", *cluster.select, "m2", "hostname").stdout.strip() == "m2"


def test_the_cluster_survives_the_loss_of_the_leading_master(cluster: ClusterUnderTest, inventory: dict[str, Any]) -> None:
    docker = {"image": f"{inventory['all']['vars']['docker_registry']}/busybox:1.35", "network": "BRIDGE",
              "portMappings": [{"containerPort": 8000, "hostPort": 0}]}
    cluster.marathon.ask("POST", "/v2/apps", {**APP, "container": {"type": "DOCKER", "docker": docker}})

    def answers() -> bool:
        return "alive" in cluster.host("a2").run(f"python3 - <<'EOF'\n{ASK_APP}\nEOF", check=False)

    eventually("the app answers by its name", 120, answers)
    victim = cluster.leader("mesos_master")
    with cluster.kill(victim):
        def healed() -> bool:
            status = cluster.status()
            print(*(f"{r['component']} on {r['host']}: {r['detail']}" for r in status["components"] if r["state"] != "ok"), sep="\n")
            leaders = {c: [r["host"] for r in cluster.rows(c, status) if r["leader"]] for c in
                       ("zookeeper", "mesos_master", "marathon", "chronos", "consul")}
            return all(len(hosts) == 1 and hosts != [victim] for hosts in leaders.values()) and not status["healthy"]

        took = eventually("new leaders everywhere", 60, healed)
        print(f"new leaders after {took:.0f} s")
        agents = cluster.rows("mesos_agent")
        assert {r["state"] for r in agents} == {"ok"}, agents
        assert answers(), "the app answers without the lost host"
    cluster.wait_healthy()
    cluster.marathon.ask("DELETE", "/v2/apps/survivor")
