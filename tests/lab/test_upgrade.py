"""A living cluster gets new versions of everything it runs under two clients that never stop.

What is asserted: the order, nothing acknowledged is lost, both clients are served again after each part, tasks go on while Mesos
changes below them, there is no way back, and how often who leads changes: once for a component's own change. A Marathon that leads
ends itself when Mesos' leader changes or its ZooKeeper goes. When the engines below Marathon and Chronos change, once each, and one of
them once more where they lead on two hosts and the one that leaves its host first goes to the other. How long each client waited is
printed as a table.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from marathon import MarathonError
from marathon.models import MarathonApp

from tests.lab.support.checkout import ClusterUnderTest, eventually, provision
from tests.lab.support.consul import CONSUL
from tests.lab.support.fresh import fresh
from tests.lab.support.leaders import Leaders
from tests.lab.support.next_consul import RELEASES
from tests.lab.support.next_versions import NEXT, REBUILT, docker_version, make, older, put_consul
from tests.lab.support.schedulers import marathon_client
from tests.lab.support.two_clients import PATH, Client, report_gaps

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
Written = tuple[Client, list[str]]
Members = Callable[[str], dict[str, str]]
#: By app: its task's id, the host, and the process there.
Tasks = Callable[[], dict[str, tuple[str, str, str]]]
#: Within what time of an answer a client counts as served.
ANSWERED_SECONDS = 5.0
ZOOKEEPERS = 3
GAPS: list[tuple[str, float, float]] = []
CHANGES: dict[str, dict[str, int]] = {}
#: Who led Marathon and Chronos before the engines changed.
LEADERS: dict[str, str] = {}


@pytest.fixture
def measured(request: pytest.FixtureRequest, cluster: ClusterUnderTest, written: Written, asked: Client,
             members: Members, inventory: dict[str, Any]) -> Iterator[None]:
    """The longest gaps of both clients while the test runs go into the table, and how often each leader changed."""
    for client in (written[0], asked):
        client.reset()
    term = consul_term(cluster)
    with Leaders(members, cluster.zookeeper, inventory["all"]["vars"]) as leaders:
        yield
    for client in (written[0], asked):
        eventually("the client is answered again", 120, partial(answered, client))
    name = request.node.name.removeprefix("test_")
    GAPS.append((name, written[0].gap(), asked.gap()))
    CHANGES[name] = {**leaders.changes(), "consul": consul_term(cluster) - term}


def offer_consul(cluster: ClusterUnderTest, folder: Path, release: str) -> None:
    """The mirror has this release of Consul, and all else that is in the folder."""
    put_consul(release, folder)
    provision("lab", "up", "--name", cluster.lab, "--artifacts", str(folder))


def answered(client: Client) -> bool:
    """Whether it has just been served."""
    return time.monotonic() - client.answered < ANSWERED_SECONDS


def consul_term(cluster: ClusterUnderTest) -> int:
    """How many elections its servers have held."""
    found = re.search(r"^\s*term = (\d+)$", cluster.host("m1").run(f"{CONSUL} info"), re.MULTILINE)
    assert found
    return int(found[1])


def versions(cluster: ClusterUnderTest, component: str) -> set[str]:
    return {row["version"].removeprefix("v").partition("-")[0].partition("+")[0] for row in cluster.rows(component)}


def zookeeper_packages(cluster: ClusterUnderTest) -> set[bool]:
    """Whether the members' package is the rebuilt one."""
    asked = "dpkg-query --show --showformat='${Version} ${db:Status-Want} ' libzookeeper-java"
    said = [cluster.host(host).run(asked).split() for host in ("m1", "m2", "m3")]
    assert {want for _, want in said} == {"hold"}, "an upgrade by hand would take it along"
    return {version.endswith(REBUILT) for version, _ in said}


@pytest.fixture(scope="module")
def first_versions(lab: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what the cluster has at first; the lab remembers it."""
    return older(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def cluster(lab: str, first_versions: Path) -> Iterator[ClusterUnderTest]:
    """On hosts that never had the versions it goes to. The lab goes afterwards: nobody else is to meet them."""
    with fresh(lab, "--masters", "3", "--agents", "2", "--os", "debian12", "--artifacts", str(first_versions)) as found:
        yield found
    provision("lab", "down", "--name", lab)


@pytest.fixture(scope="module")
def tasks(cluster: ClusterUnderTest, members: Members, inventory: dict[str, Any]) -> Iterator[Tasks]:
    """A task of each containerizer, and how to ask what has become of them. They sleep, each for a time of its own."""
    client = marathon_client(next(iter(members("marathon").values())), inventory["all"]["vars"])
    docker = {"image": f"{inventory['all']['vars']['docker_registry']}/busybox:1.35", "network": "HOST"}
    for name, seconds, container in (("command", 41001, None), ("docker", 41002, {"type": "DOCKER", "docker": docker})):
        app = {"id": f"/goes-on/{name}", "cmd": f"exec sleep {seconds}", "cpus": 0.1, "mem": 32, "container": container}
        client.create_app(app["id"], MarathonApp.from_json(app))

    def ask() -> dict[str, tuple[str, str, str]]:
        try:
            found = client.list_tasks("/goes-on/command") + client.list_tasks("/goes-on/docker")
        except (MarathonError, OSError):  # between two leaders
            return {}
        return {task.app_id: (task.id, task.host, cluster.host(task.host).run("pgrep -f '^sleep 4100[12]'", check=False)) for task in found}

    eventually("both tasks run", 120, lambda: [bool(process) for _, _, process in ask().values()] == [True, True])
    yield ask
    for name in ("command", "docker"):
        client.delete_app(f"/goes-on/{name}", force=True)


@pytest.fixture(scope="module")
def newer(cluster: ClusterUnderTest, inventory: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mirror has the next versions, made in this folder."""
    folder = make(cluster, inventory["all"]["vars"]["docker_registry"], tmp_path_factory.mktemp("next"))
    provision("lab", "up", "--name", cluster.lab, "--artifacts", str(folder))
    return folder


def test_the_plan_has_the_order_of_an_upgrade(cluster: ClusterUnderTest, newer: Path) -> None:
    steps = json.loads(cluster.run("plan", "--json").stdout)["steps"]
    names = list(dict.fromkeys(step["component"] for step in steps if step["verb"] == "up"))
    assert names == ["zookeeper", "consul", "mesos_master", "docker", "mesos_agent", "marathon", "chronos", "registrator", "logstash"]
    assert {step["component"] for step in steps if "→" in step["why"]} >= {*names} - {"zookeeper"}
    assert [s["hosts"] for s in steps if s["verb"] == "drain"] == [["a1"], ["a2"]]


def test_quorums_first_then_a_pause(cluster: ClusterUnderTest, newer: Path, tasks: Tasks, measured: None) -> None:
    before = tasks()
    said = cluster.run("upgrade", "--yes", "--pause-after", "mesos_master").stderr
    assert "paused after mesos_master" in said
    assert "wrote" in said, "no backup was made"
    old, new = NEXT["mesos"]
    assert (versions(cluster, "mesos_master"), versions(cluster, "mesos_agent")) == ({new}, {old})
    assert (versions(cluster, "consul"), zookeeper_packages(cluster)) == ({RELEASES[0]}, {True})
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    eventually("Marathon names its tasks, which went on", 60, lambda: tasks() == before)


def test_agents_get_another_mesos_below_tasks(cluster: ClusterUnderTest, newer: Path, tasks: Tasks, measured: None) -> None:
    before = tasks()
    cluster.up("--only", "mesos_agent")
    assert versions(cluster, "mesos_agent") == {NEXT["mesos"][1]}
    eventually("all is well but what waits for its turn", 90, lambda: all(row["state"] == "ok" for row in cluster.rows("mesos_agent")))
    assert tasks() == before


def test_another_docker_moves_the_tasks_first(cluster: ClusterUnderTest, newer: Path, measured: None) -> None:
    before = versions(cluster, "docker")
    LEADERS.update({name: cluster.leader(name) for name in ("marathon", "chronos")})
    said = cluster.run("upgrade", "--yes", "--no-backup", "--pause-after", "mesos_agent").stderr
    assert "paused after mesos_agent" in said
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    assert versions(cluster, "docker") == {docker_version(newer)} != before


def test_then_the_rest(cluster: ClusterUnderTest, newer: Path, measured: None) -> None:
    cluster.run("upgrade", "--yes", "--no-backup")
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    for component in ("marathon", "chronos", "registrator"):
        assert versions(cluster, component) == {NEXT[component][1]}
    assert cluster.up()["changed"] == 0


def test_consul_goes_on_step_by_step(cluster: ClusterUnderTest, newer: Path, measured: None) -> None:
    _, next_one, last = RELEASES
    offer_consul(cluster, newer, last)
    refused = cluster.run("upgrade", "--yes", check=False)
    assert refused.returncode == 5
    assert "at most 2 minor releases at a time" in refused.stderr
    for release in (next_one, last):
        offer_consul(cluster, newer, release)
        cluster.run("upgrade", "--yes", "--no-backup")
        eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
        assert versions(cluster, "consul") == {release}


def test_nothing_acknowledged_was_lost_and_leaders_changed_once(written: Written, asked: Client, zookeeper: Any) -> None:
    writer, acknowledged = written
    names = {path.rpartition("/")[2] for path in list(acknowledged)}
    client = zookeeper("m1")
    client.sync(PATH)
    assert names - set(client.get_children(PATH)) == set()
    rows = [f"{what:<38}" + ", ".join(f"{name} {count}" for name, count in counts.items()) for what, counts in CHANGES.items()]
    report_gaps("gaps-upgrade", GAPS, len(names), writer.errors, "\n".join(["changes of leader:", *rows]))
    engines, rest = CHANGES["another_docker_moves_the_tasks_first"], CHANGES["then_the_rest"]
    quorums = CHANGES["quorums_first_then_a_pause"]
    # Marathon's leader also ends when the member of ZooKeeper that it talks to goes, and Mesos' leader changes once.
    assert 1 <= quorums.pop("marathon") <= 1 + ZOOKEEPERS
    assert quorums == {"zookeeper": 1, "mesos_master": 1, "chronos": 0, "consul": 1}
    together = (engines.pop("marathon"), engines.pop("chronos"))
    assert engines == {"zookeeper": 0, "mesos_master": 0, "consul": 0}
    assert together == (1, 1) or (len({*LEADERS.values()}) == 2 and together in ((1, 2), (2, 1)))
    assert rest == {"zookeeper": 0, "mesos_master": 0, "marathon": 1, "chronos": 1, "consul": 0}
    assert set(CHANGES["agents_get_another_mesos_below_tasks"].values()) == {0}
    assert CHANGES["consul_goes_on_step_by_step"] == {
        "zookeeper": 0, "mesos_master": 0, "marathon": 0, "chronos": 0, "consul": 2}


def test_the_way_back_is_refused_before_anything_changes(cluster: ClusterUnderTest, newer: Path, first_versions: Path) -> None:
    old, new = NEXT["mesos"]
    provision("lab", "up", "--name", cluster.lab, "--artifacts", str(first_versions))
    running = {host: cluster.host(host).run("systemctl show --property=ActiveEnterTimestamp 'mesos-*'") for host in ("m1", "a1")}
    refused = cluster.run("up", "--yes", check=False)
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (5, True)
    for what in ("m1: Mesos master", "a1: Mesos agent"):
        assert re.search(rf"{what} runs {new}\S*, {old}\S* is asked for", refused.stderr), refused.stderr
    assert running == {host: cluster.host(host).run("systemctl show --property=ActiveEnterTimestamp 'mesos-*'") for host in running}
    assert (versions(cluster, "mesos_master"), versions(cluster, "mesos_agent")) == ({new}, {new})
