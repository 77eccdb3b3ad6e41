"""Chronos over plain HTTP (nobody keeps a client for it): one leads, all answer, jobs run and outlive the leader."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from tests.lab.support.checkout import ClusterUnderTest, eventually
from tests.lab.support.removed_framework import is_named_refused_and_cured

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]


def ask(address: str, path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
    """The JSON, or the text, of one answer of one member."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"http://{address}:4400/v1/scheduler/{path}", data, {"Content-Type": "application/json"},
                                     method=method or None)
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - an address of the lab
        text = answer.read().decode()
    return json.loads(text) if text.startswith(("{", "[")) else text


def leader(members: Members, without: str = "") -> str:
    """The host that all members (but one) name as the leader."""
    asked = {h: a for h, a in members("chronos").items() if h != without}
    named = {str(ask(a, "leader")["leader"]).split(":")[0] for a in asked.values()}
    assert len(named) == 1, f"the members name {named}"
    (address,) = named
    return next(host for host, own in asked.items() if own == address)


@pytest.fixture(scope="module")
def job(on: On, members: Members) -> Iterator[tuple[str, str]]:
    """A job that has run once: its name, and the file in which it leaves its name on its agent."""
    name = f"scenario-{uuid.uuid4().hex[:8]}"
    path = f"/var/tmp/{name}"  # noqa: S108 - on the agent, not guessable, removed below
    first = next(iter(members("chronos").values()))
    ask(first, "iso8601", {"name": name, "command": f"echo {name} >> {path}", "schedule": "R5//PT24H", "epsilon": "PT10M", "owner": "",
                           "cpus": 0.05, "mem": 32, "disk": 1})
    eventually("the job left its file", 120, lambda: ran(on, members, path) == 1)
    yield name, path
    ask(leader_address(members), f"job/{name}", method="DELETE")
    for agent in members("mesos_agent"):
        on(agent).check_output(f"rm -f {path}")


def ran(on: On, members: Members, path: str) -> int:
    """How often the job wrote its line, over all agents."""
    return sum(len(str(on(agent).run(f"cat {path}").stdout).split()) for agent in members("mesos_agent"))


def leader_address(members: Members) -> str:
    return members("chronos")[leader(members)]


def listed(address: str, name: str) -> dict[str, Any]:
    """The job as one member lists it; nothing when it does not."""
    return next((j for j in ask(address, "jobs") if j["name"] == name), {})


def test_one_leads_and_all_name_it(members: Members) -> None:
    assert leader(members) in members("chronos")


def test_a_job_runs_and_every_member_knows_of_it(members: Members, job: tuple[str, str]) -> None:
    addresses = members("chronos").values()
    eventually("every member knows that the job succeeded", 60, lambda: all(listed(a, job[0]).get("successCount") == 1 for a in addresses))


def test_jobs_survive_the_loss_of_the_leader(on: On, members: Members, job: tuple[str, str]) -> None:
    chief = leader(members)
    on(chief).check_output("systemctl stop chronos")
    try:
        def taken_over() -> bool:
            try:
                return leader(members, without=chief) != chief
            except (AssertionError, OSError, StopIteration):
                return False

        eventually("another member leads", 60, taken_over)
        address = members("chronos")[leader(members, without=chief)]
        eventually("the new leader has loaded the job", 60, lambda: bool(listed(address, job[0])))
        ask(address, f"job/{job[0]}", method="PUT")
        eventually("the job ran again under the new leader", 120, lambda: ran(on, members, job[1]) == 2)
    finally:
        on(chief).check_output("systemctl start chronos")

    def agree() -> bool:
        try:
            return bool(leader(members))
        except (AssertionError, OSError, StopIteration):
            return False

    eventually("all members agree again", 90, agree)


def test_passwords_are_on_no_command_line(on: On, variable: Callable[[str, str], Any]) -> None:
    seen = on("m1").check_output("ps axww -o args")
    for name in ("vault_chronos_secret", "vault_zookeeper_chronos_password", "vault_zookeeper_mesos_password"):
        assert variable("m1", name) not in seen, name


def test_a_framework_that_mesos_removed_is_named_and_cured_by_a_repair(cluster: ClusterUnderTest, on: On, members: Members,
                                                                         job: tuple[str, str]) -> None:
    before = ran(on, members, job[1])

    def back() -> bool:
        with suppress(OSError, AssertionError, StopIteration):
            if listed(leader_address(members), job[0]):
                ask(leader_address(members), f"job/{job[0]}", method="PUT")
                return True
        return False

    is_named_refused_and_cured(cluster, "chronos", back)
    eventually("the job runs in the new framework", 120, lambda: ran(on, members, job[1]) > before)


def test_a_leader_without_a_driver_is_named_and_restarted_by_up(cluster: ClusterUnderTest, on: On, members: Members,
                                                                zookeeper: Callable[[str], KazooClient]) -> None:
    """Its id can't be read at the election: it leads, takes jobs and has no driver, until its process is started again."""
    tree, node = zookeeper("m1"), "/chronos/state/state/frameworkId"
    rules, _ = tree.get_acls(node)
    tree.set_acls(node, [make_digest_acl("another", "secret", all=True)])
    try:
        for host in members("chronos"):
            on(host).check_output("systemctl restart chronos")
        eventually("a member leads in vain", 90,
                   lambda: any("'provision up' restarts it" in row["detail"] for row in cluster.rows("chronos")))
    finally:
        tree.set_acls(node, rules)
    plan = json.loads(cluster.run("plan", "--json", "--only", "chronos").stdout)
    assert any("it leads, but the leading Mesos master" in reason for step in plan["steps"] for reason in step["reasons"].values())
    cluster.up("--only", "chronos")
    assert cluster.leader("chronos") in members("chronos")
