"""A living open cluster is closed, and opened again: tasks go on, nobody is locked out, and once it is closed nobody is let in.

How long each of two clients had to wait meanwhile is printed as a table.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.support.checkout import SYSTEM, ClusterUnderTest, eventually, interrupted
from tests.lab.support.fresh import fresh
from tests.lab.support.mesos_api import Masters, ask
from tests.lab.support.two_clients import Client, report_gaps

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
Members = Callable[[str], dict[str, str]]
Variable = Callable[[str, str], Any]
Written = tuple[Client, list[str]]
Tasks = dict[str, tuple[str, str]]
GAPS: list[tuple[str, float, float]] = []


def opened(inventory: Path) -> None:
    """An inventory that wants an open cluster."""
    text = inventory.read_text()
    inventory.write_text(re.sub(r"^( +)cluster_name:", r"\1cluster_access: open\n\g<0>", text, count=1, flags=re.MULTILINE))


def ask_for(cluster: ClusterUnderTest, wanted: str) -> None:
    """Write into the inventory who may use the cluster without a password."""
    text = cluster.inventory.read_text()
    cluster.inventory.write_text(re.sub(r"cluster_access: \w+", f"cluster_access: {wanted}", text))


def tasks(masters: Masters) -> Tasks:
    """Every running task by its id, with its agent's id and the framework's."""
    return {t["id"]: (t["slave_id"], f["id"]) for f in masters.state()["frameworks"] for t in f["tasks"] if t["state"] == "TASK_RUNNING"}


def unlocked(members: Members) -> set[str]:
    """The masters and agents that tell a stranger their state."""
    servers = {host: f"{address}:{port}" for group, port in (("mesos_master", 5050), ("mesos_agent", 5051))
               for host, address in members(group).items()}
    return {host for host, server in servers.items() if ask(f"http://{server}/state")[0] != 401}


def everybody(members: Members) -> set[str]:
    return {*members("mesos_master"), *members("mesos_agent")}


def well_so_far(cluster: ClusterUnderTest) -> None:
    """All works, half way. Consul's servers refuse whoever brings no token in the very last steps; until then `status` says so."""
    not_yet = {"ACLs are off", "ACLs are allow"}

    def wrong() -> set[str]:
        found = cluster.status()
        # Servers that know tokens can't answer for a stranger while one leads that knows none.
        down = {f"{row['component']} on {row['host']}" for row in found["components"] if row["state"] == "down"}
        return {one for one in down if not one.startswith("dns ")} | {text.rpartition(", ")[2] for text in found["problems"]} - not_yet

    eventually("all else is well", 90, lambda: not wrong())


@pytest.fixture(scope="module")
def cluster(lab: str) -> Iterator[ClusterUnderTest]:
    """Built open."""
    with fresh(lab, "--masters", "3", "--agents", "2", "--os", SYSTEM, prepare=opened) as found:
        yield found


@pytest.fixture(scope="module")
def masters(members: Members, variable: Variable) -> Masters:
    """The masters, asked by somebody who may look: open ones don't mind."""
    return Masters(members("mesos_master"), f"viewer:{variable('m1', 'vault_mesos_viewer_secret')}")


@pytest.fixture(scope="module")
def before(asked: Client, masters: Masters) -> Tasks:
    """What ran when the switch began."""
    return tasks(masters)


def test_an_open_cluster_answers_anybody(cluster: ClusterUnderTest, members: Members) -> None:
    assert unlocked(members) == everybody(members)


def test_frameworks_that_would_be_denied_their_users_stop_the_plan(cluster: ClusterUnderTest, before: Tasks, masters: Masters) -> None:
    ask_for(cluster, "closed")
    refused = cluster.run("up", "--yes", check=False)
    assert (refused.returncode, "marathon runs tasks as root" in refused.stderr) == (5, True), refused.stderr
    assert tasks(masters) == before
    text = cluster.inventory.read_text()
    cluster.inventory.write_text(text.replace("cluster_access: closed", "cluster_access: closed\n    mesos_task_users: [root]"))


def test_a_switch_that_is_killed_among_consuls_servers_leaves_a_working_cluster(cluster: ClusterUnderTest, before: Tasks,
                                                                                masters: Masters) -> None:
    code, said = interrupted(lambda text: bool(re.search(r"\] Consul +m", text)), "up", *cluster.select, "--yes", by=signal.SIGKILL)
    assert code == -signal.SIGKILL, said
    well_so_far(cluster)
    assert set(before.items()) <= set(tasks(masters).items())


def test_a_switch_that_stops_half_way_leaves_a_working_cluster(cluster: ClusterUnderTest, before: Tasks, masters: Masters,
                                                                members: Members) -> None:
    code, said = interrupted(lambda text: bool(re.search(r"\] Mesos master +m", text)), "up", *cluster.select, "--yes")
    assert code == 130, said
    assert unlocked(members) not in (set(), everybody(members)), "nothing is locked yet, or all is"
    well_so_far(cluster)
    assert set(before.items()) <= set(tasks(masters).items())


def test_the_next_run_closes_all_and_every_task_goes_on(cluster: ClusterUnderTest, before: Tasks, masters: Masters, members: Members,
                                                        written: Written, asked: Client) -> None:
    for client in (written[0], asked):
        client.reset()
    cluster.up()
    GAPS.append(("completes the closing", written[0].gap(), asked.gap()))
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    assert unlocked(members) == set()
    assert set(before.items()) <= set(tasks(masters).items()), "a task was started anew, or belongs to another agent or framework"
    assert cluster.up()["changed"] == 0
    cluster.run("verify")


def test_it_can_be_opened_again(cluster: ClusterUnderTest, before: Tasks, masters: Masters, members: Members, written: Written,
                                asked: Client) -> None:
    ask_for(cluster, "open")
    for client in (written[0], asked):
        client.reset()
    cluster.up()
    GAPS.append(("opens it", written[0].gap(), asked.gap()))
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    assert unlocked(members) == everybody(members)
    assert set(before.items()) <= set(tasks(masters).items())
    for host, left in (("m1", "/etc/mesos/master.acls.json /etc/provisioner/credentials/mesos_operator.json"),
                       ("a1", "/etc/mesos/agent.acls.json /etc/mesos/http_credentials.json /etc/mesos/jwt.key")):
        assert cluster.host(host).run(f"ls {left} 2>/dev/null || true") == ""
    assert cluster.up()["changed"] == 0
    report_gaps("gaps-closing", GAPS, len(written[1]), written[0].errors)
