"""A living cluster grows, shrinks, drains and restarts under two clients that never stop.

What is asserted: nothing that was acknowledged is lost, nobody else is touched, and all is well afterwards. How long each
client waited is printed as a table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from marathon import MarathonClient
from marathon.models import MarathonApp

from tests.lab.support.checkout import ClusterUnderTest, eventually, interrupted, provision
from tests.lab.support.consul import CONSUL
from tests.lab.support.schedulers import marathon_client
from tests.lab.support.two_clients import PATH, Client, report_gaps

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
Written = tuple[Client, list[str]]
Members = Callable[[str], dict[str, str]]
UNITS = ("docker", "consul", "dnsmasq", "zookeeper", "mesos-master", "mesos-agent", "marathon", "chronos", "registrator",
         "logstash", "rsyslog")
GAPS: list[tuple[str, float, float]] = []
DRAINED_APP = "/scale-drained"
#: The hosts that are there from the beginning to the end.
OTHERS = ("m1", "m2", "m3", "a1", "a2")


@pytest.fixture
def measured(request: pytest.FixtureRequest, written: Written, asked: Client) -> Iterator[None]:
    """The longest gaps of both clients while the test runs go into the table."""
    for client in (written[0], asked):
        client.reset()
    yield
    GAPS.append((request.node.name.removeprefix("test_"), written[0].gap(), asked.gap()))


def processes(cluster: ClusterUnderTest, hosts: tuple[str, ...]) -> dict[str, str]:
    """The main process of every unit, by host."""
    return {host: cluster.host(host).run(f"systemctl show -p Id -p MainPID {' '.join(UNITS)}") for host in hosts}


def healthy(cluster: ClusterUnderTest) -> None:
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))


def identities(cluster: ClusterUnderTest) -> dict[str, str]:
    """ZooKeeper's ids."""
    return {row["host"]: cluster.host(row["host"]).run("cat /var/lib/zookeeper/myid").strip() for row in cluster.rows("zookeeper")}


def test_one_more_agent_touches_nobody_else_and_a_plan_is_done_once(cluster: ClusterUnderTest, measured: None, tmp_path: Path) -> None:
    before = processes(cluster, OTHERS)
    provision("lab", "up", "--name", cluster.lab, "--agents", "3")
    file = str(tmp_path / "plan")
    plan = json.loads(cluster.run("plan", "--json", "--out", file).stdout)
    touched = {step["component"] for step in plan["steps"] if set(step["hosts"]) & set(OTHERS)}
    assert touched == {"common"}, "the others only learn its name"
    assert {step["component"] for step in plan["steps"] if "a3" in step["hosts"]} >= {"docker", "mesos_agent", "registrator", "logstash"}
    assert cluster.up("--plan", file)["changed"] > 0
    assert processes(cluster, OTHERS) == before
    healthy(cluster)
    assert [row["state"] for row in cluster.rows("mesos_agent")] == ["ok"] * 3
    refused = cluster.run("up", "--yes", "--plan", file, check=False)
    assert (refused.returncode, "the plan no longer applies" in refused.stderr) == (5, True), refused.stderr


@pytest.fixture
def only_here(cluster: ClusterUnderTest, inventory: dict[str, Any]) -> Iterator[tuple[MarathonClient, str]]:
    """An app with one instance, and the agent that it runs on."""
    client = marathon_client(inventory["all"]["hosts"]["m1"]["ansible_host"], inventory["all"]["vars"])
    docker = {"image": f"{inventory['all']['vars']['docker_registry']}/busybox:1.35", "network": "BRIDGE"}
    client.create_app(DRAINED_APP, MarathonApp.from_json({"id": DRAINED_APP, "instances": 1, "cpus": 0.1, "mem": 32, "cmd": "sleep 10000",
                                                          "container": {"type": "DOCKER", "docker": docker}}))
    eventually("the app runs", 90, lambda: client.get_app(DRAINED_APP).tasks_running == 1)
    yield client, str(client.list_tasks(DRAINED_APP)[0].host)
    client.delete_app(DRAINED_APP, force=True)
    eventually("the app is gone", 90, lambda: client.list_deployments() == [])


def test_drain_moves_an_app_and_undrain_lets_the_agent_work_again(cluster: ClusterUnderTest, only_here: tuple[MarathonClient, str]) -> None:
    marathon, host = only_here
    cluster.run("drain", host)
    assert {task.host for task in marathon.list_tasks(DRAINED_APP) if task.state == "TASK_RUNNING"} & {host} == set()
    assert marathon.get_app(DRAINED_APP).tasks_running >= 1
    assert cluster.up()["changed"] == 0, "up leaves alone what the operator drained"
    (row,) = [r for r in cluster.rows("mesos_agent") if r["host"] == host]
    assert (row["state"], "is drained, as asked for" in row["detail"]) == ("ok", True)
    cluster.run("undrain", host)
    (row,) = [r for r in cluster.rows("mesos_agent") if r["host"] == host]
    assert "registered with" in row["detail"]


def test_a_drain_that_is_interrupted_is_undone(cluster: ClusterUnderTest, only_here: tuple[MarathonClient, str]) -> None:
    _, host = only_here
    code, said = interrupted(lambda text: "one more instance elsewhere" in text, "drain", *cluster.select, host)
    assert code == 130, said
    (row,) = [r for r in cluster.rows("mesos_agent") if r["host"] == host]
    assert "registered with" in row["detail"], row


@pytest.mark.parametrize("component", ["zookeeper", "consul", "mesos_master", "mesos_agent", "docker", "marathon", "chronos"])
def test_restart(cluster: ClusterUnderTest, measured: None, component: str) -> None:
    cluster.run("restart", component, "--yes")
    healthy(cluster)


def test_an_agent_leaves_and_nobody_else_notices(cluster: ClusterUnderTest, measured: None) -> None:
    before = processes(cluster, OTHERS)
    assert cluster.run("remove", "a3", "--yes", "a2", check=False).returncode == 2
    cluster.run("remove", "a3", "--yes", "a3")
    assert [row["host"] for row in cluster.rows("mesos_agent")] == ["a1", "a2"]
    assert sorted(agent["hostname"] for agent in cluster.mesos.ask("GET", "/slaves")["slaves"]) == ["a1", "a2"], "it left at once"
    assert "a3" not in cluster.host("m1").run(f"{CONSUL} members | grep -w alive")
    assert cluster.host("a3").run("systemctl is-active docker mesos-agent registrator consul || true").split() == ["inactive"] * 4
    assert processes(cluster, OTHERS) == before
    healthy(cluster)
    assert cluster.up()["changed"] == 0


def test_three_voters_become_five(cluster: ClusterUnderTest, measured: None) -> None:
    before = identities(cluster)
    provision("lab", "up", "--name", cluster.lab, "--masters", "5")
    cluster.up()
    healthy(cluster)
    after = identities(cluster)
    assert {host: after[host] for host in before} == before
    assert sorted(after.values()) == ["1", "2", "3", "4", "5"]
    for component in ("zookeeper", "mesos_master"):
        assert [row["state"] for row in cluster.rows(component)] == ["ok"] * 5
    assert cluster.host("m1").run("grep QUORUM /etc/mesos/master.env") == "MESOS_QUORUM=\"3\"\n"


def test_five_voters_become_three(cluster: ClusterUnderTest, measured: None) -> None:
    cluster.run("remove", "m4", "m5", "--yes", "m4 m5")
    healthy(cluster)
    assert [row["host"] for row in cluster.rows("zookeeper")] == ["m1", "m2", "m3"]
    assert cluster.host("m1").run("grep QUORUM /etc/mesos/master.env") == "MESOS_QUORUM=\"2\"\n"
    for host in ("m4", "m5"):
        assert cluster.host(host).run("ls -d /var/lib/zookeeper /var/lib/mesos /var/lib/consul 2>/dev/null || true") == ""
        assert cluster.host(host).run("systemctl is-active zookeeper mesos-master consul docker || true").split() == ["inactive"] * 4
    assert cluster.up()["changed"] == 0


def test_nothing_acknowledged_was_lost(written: Written, asked: Client, zookeeper: Any) -> None:
    writer, acknowledged = written
    names = {path.rpartition("/")[2] for path in list(acknowledged)}
    client: KazooClient = zookeeper("m1")
    client.sync(PATH)
    assert names - set(client.get_children(PATH)) == set()
    report_gaps("gaps-scale", GAPS, len(names), writer.errors)
