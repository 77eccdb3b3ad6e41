"""A living cluster that was built without passwords gets them: tasks go on, nobody is shut out, and in the end nobody is let in without.

How long each of two clients had to wait meanwhile is printed as a table.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError

from tests.lab.support.belongings import Belongings
from tests.lab.support.checkout import SYSTEM, ClusterUnderTest, eventually, interrupted
from tests.lab.support.fresh import fresh
from tests.lab.support.two_clients import Client, report_gaps

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
Members = Callable[[str], dict[str, str]]
Written = tuple[Client, list[str]]
SUBSCRIBE = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "root", "name": "stranger"}}}
#: The rules under which anybody may change a node.
OPEN = ("world", "anyone")


def ask_for(cluster: ClusterUnderTest, wanted: bool) -> None:
    """Write into the inventory whether passwords are wanted."""
    old, new = (f"cluster_authentication: {str(value).lower()}" for value in (not wanted, wanted))
    cluster.inventory.write_text(cluster.inventory.read_text().replace(old, new))


def without_passwords(inventory: Path) -> None:
    """An inventory that wants none, of a cluster that stays open: passwords alone let everybody still look for a leader."""
    text = inventory.read_text()
    wishes = r"\1cluster_authentication: false\n\1cluster_access: open\n\g<0>"
    inventory.write_text(re.sub(r"^( +)cluster_name:", wishes, text, count=1, flags=re.MULTILINE))


def subscribe(master: str) -> Any:
    """The stream of a framework that says no principal."""
    request = urllib.request.Request(f"http://{master}:5050/api/v1/scheduler", json.dumps(SUBSCRIBE).encode(),
                                     {"Content-Type": "application/json", "Accept": "application/json"})
    return urllib.request.urlopen(request, timeout=20)  # noqa: S310 - an address of the lab


def tasks(members: Members) -> dict[str, tuple[str, str]]:
    """Every running task by its id, with its agent's id and the framework's; the leader is asked."""
    for address in members("mesos_master").values():
        try:
            with urllib.request.urlopen(f"http://{address}:5050/state", timeout=20) as answer:
                state = json.loads(answer.read())
        except OSError:
            continue
        return {t["id"]: (t["slave_id"], f["id"]) for f in state["frameworks"] for t in f["tasks"] if t["state"] == "TASK_RUNNING"}
    raise AssertionError("no master answers")


def open_nodes(nodes: KazooClient) -> list[str]:
    """Lasting nodes of Mesos, Marathon and Chronos that anybody may change. (Chronos leaves its own name in an election open.)"""
    found, waiting = [], ["/mesos", "/marathon", "/chronos"]
    while waiting:
        path = waiting.pop()
        waiting += [f"{path}/{child}" for child in nodes.get_children(path)]
        rules, stat = nodes.get_acls(path)
        if not stat.ephemeralOwner and any((rule.id.scheme, rule.id.id) == OPEN and rule.perms != 1 for rule in rules):
            found.append(path)
    return found


@contextmanager
def anonymous(server: str) -> Iterator[KazooClient]:
    client = KazooClient(hosts=server, timeout=10)
    client.start(timeout=30)
    yield client
    client.stop()
    client.close()


@pytest.fixture(scope="module")
def cluster(lab: str) -> Iterator[ClusterUnderTest]:
    """Built without passwords: on hosts that have been under a cluster with passwords the driver refuses."""
    with fresh(lab, "--masters", "3", "--agents", "2", "--os", SYSTEM, prepare=without_passwords) as found:
        yield found


@pytest.fixture(scope="module")
def before(asked: Client, members: Members) -> dict[str, tuple[str, str]]:
    """What ran when the switch began."""
    return tasks(members)


def test_without_passwords_anybody_may(cluster: ClusterUnderTest, members: Members, zookeeper: Callable[[str], KazooClient]) -> None:
    flags = cluster.host("m1").run("grep -c -i -e CREDENTIALS -e AUTHENTICATE /etc/mesos/master.env || true")
    assert flags == "0\n"
    assert "/mesos" in open_nodes(zookeeper("m1"))
    cluster.run("verify")


def test_a_framework_that_would_be_shut_out_stops_the_plan(cluster: ClusterUnderTest, members: Members) -> None:
    ask_for(cluster, True)
    with subscribe(members("mesos_master")[cluster.leader("mesos_master")]):
        refused = cluster.run("up", "--yes", check=False)
    assert (refused.returncode, "stranger told Mesos no principal" in refused.stderr) == (5, True), refused.stderr


def test_the_plan_says_the_order(cluster: ClusterUnderTest, before: dict[str, tuple[str, str]]) -> None:
    steps = json.loads(cluster.run("plan", "--json").stdout)["steps"]
    assert [f"{s['verb']} {s['component']}" for s in steps] == [
        "up mesos_master", "up mesos_agent", "stop marathon", "up marathon", "up marathon", "up marathon", "up chronos",
        "protect zookeeper", "up mesos_master"]
    leader = cluster.leader("marathon")
    assert [leader in s["hosts"] for s in steps if s["component"] == "marathon"] == [False, False, True, False]


def test_another_command_does_not_shut_an_agent_out(cluster: ClusterUnderTest, before: dict[str, tuple[str, str]],
                                                    members: Members) -> None:
    refused = cluster.run("undrain", "a1", check=False)
    assert (refused.returncode, "run without credentials" in refused.stderr) == (5, True), refused.stderr
    assert tasks(members) == before
    assert cluster.status()["healthy"]


def test_a_switch_that_stops_half_way_leaves_a_working_cluster(cluster: ClusterUnderTest, before: dict[str, tuple[str, str]],
                                                                members: Members, open_belongings: Callable[[], Belongings]) -> None:
    """One Marathon has its password and leads, another is stopped, the old leader runs without one."""
    open_belongings().make()
    code, said = interrupted(lambda text: "[4/9]" in text, "up", *cluster.select, "--yes")
    assert code == 130, said
    assert set(before.items()) <= set(tasks(members).items())
    belongings = open_belongings()
    assert belongings.job()
    changed = next(iter(json.loads(cluster.run("plan", "--json").stdout)["steps"]))
    assert changed["component"] == "marathon" and changed["verb"] == "up", "what is done is done again, or stopped once more"


def test_the_next_run_completes_it_and_every_task_goes_on(
        cluster: ClusterUnderTest, before: dict[str, tuple[str, str]], members: Members, written: Written, asked: Client,
        open_belongings: Callable[[], Belongings]) -> None:
    for client in (written[0], asked):
        client.reset()
    cluster.up()
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    gaps = [("completes the switch", written[0].gap(), asked.gap())]
    assert set(before.items()) <= set(tasks(members).items()), "a task was started anew, or belongs to another agent or framework"
    belongings = open_belongings()
    assert belongings.job()
    assert belongings.marathon.get_app("/backup-scenario").tasks_running == 1
    assert cluster.up()["changed"] == 0
    cluster.run("verify")
    report_gaps("gaps-authentication", gaps, len(written[1]), written[0].errors)


def test_nobody_is_let_in_without_a_password(cluster: ClusterUnderTest, members: Members, zookeeper: Callable[[str], KazooClient]) -> None:
    leader = members("mesos_master")[cluster.leader("mesos_master")]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        subscribe(leader)
    assert open_nodes(zookeeper("m1")) == []
    with anonymous(cluster.zookeeper_at("m1")) as stranger:
        for path in ("/mesos", "/marathon/leader-curator"):
            assert stranger.get_children(path), "whoever looks for a leader must find it"
        for path in ("/mesos", "/mesos/log_replicas", "/marathon", "/marathon/leader-curator"):
            with pytest.raises(NoAuthError):
                stranger.create(f"{path}/intruder")


def test_it_can_not_be_switched_off_in_a_living_cluster(cluster: ClusterUnderTest, open_belongings: Callable[[], Belongings]) -> None:
    open_belongings().delete()
    ask_for(cluster, False)
    refused = cluster.run("up", "--yes", check=False)
    ask_for(cluster, True)
    assert (refused.returncode, "can't be switched off" in refused.stderr) == (5, True), refused.stderr
    assert cluster.up()["changed"] == 0
