"""Chronos over plain HTTP (nobody keeps a client for it): one leads, all answer, jobs run and outlive the leader."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_digest_acl

from tests.lab.support.checkout import ClusterUnderTest, eventually
from tests.lab.support.locks import answers, tells_no_secret
from tests.lab.support.removed_framework import is_named_refused_and_cured
from tests.lab.support.schedulers import CHRONOS_HTTPS_PORT, CHRONOS_PORT, ask_chronos

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(inventory: dict[str, Any]) -> Ask:
    """`ask(address, path, body, method)`: the JSON, or the text, of one answer of one member."""
    def answer(address: str, path: str, body: dict[str, Any] | None = None, method: str = "") -> Any:
        text = ask_chronos(address, inventory["all"]["vars"], path, body, method)
        return json.loads(text) if text.startswith(("{", "[")) else text

    return answer


def leader(members: Members, ask: Ask, without: str = "") -> str:
    """The host that all members (but one) name as the leader."""
    asked = {h: a for h, a in members("chronos").items() if h != without}
    named = {str(ask(a, "leader")["leader"]).split(":")[0] for a in asked.values()}
    assert len(named) == 1, f"the members name {named}"
    (address,) = named
    return next(host for host, own in asked.items() if own == address)


@pytest.fixture(scope="module")
def job(on: On, members: Members, ask: Ask) -> Iterator[tuple[str, str]]:
    """A job that has run once: its name, and the file in which it leaves its name on its agent."""
    name = f"scenario-{uuid.uuid4().hex[:8]}"
    path = f"/var/tmp/{name}"  # noqa: S108 - on the agent, not guessable, removed below
    first = next(iter(members("chronos").values()))
    ask(first, "iso8601", {"name": name, "command": f"echo {name} >> {path}", "schedule": "R5//PT24H", "epsilon": "PT10M", "owner": "",
                           "cpus": 0.05, "mem": 32, "disk": 1})
    eventually("the job left its file", 120, lambda: ran(on, members, path) == 1)
    yield name, path
    ask(leader_address(members, ask), f"job/{name}", method="DELETE")
    for agent in members("mesos_agent"):
        on(agent).check_output(f"rm -f {path}")


def ran(on: On, members: Members, path: str) -> int:
    """How often the job wrote its line, over all agents."""
    return sum(len(str(on(agent).run(f"cat {path}").stdout).split()) for agent in members("mesos_agent"))


def leader_address(members: Members, ask: Ask) -> str:
    return members("chronos")[leader(members, ask)]


def listed(ask: Ask, address: str, name: str) -> dict[str, Any]:
    """The job as one member lists it; nothing when it does not."""
    return next((j for j in ask(address, "jobs") if j["name"] == name), {})


def test_one_leads_and_all_name_it(members: Members, ask: Ask) -> None:
    assert leader(members, ask) in members("chronos")


def test_a_job_runs_and_every_member_knows_of_it(members: Members, ask: Ask, job: tuple[str, str]) -> None:
    addresses = members("chronos").values()
    eventually("every member knows that the job succeeded", 60,
               lambda: all(listed(ask, a, job[0]).get("successCount") == 1 for a in addresses))


def test_jobs_survive_the_loss_of_the_leader(on: On, members: Members, ask: Ask, job: tuple[str, str]) -> None:
    chief = leader(members, ask)
    on(chief).check_output("systemctl stop chronos")
    try:
        def taken_over() -> bool:
            try:
                return leader(members, ask, without=chief) != chief
            except (AssertionError, OSError, StopIteration):
                return False

        eventually("another member leads", 60, taken_over)
        address = members("chronos")[leader(members, ask, without=chief)]
        eventually("the new leader has loaded the job", 60, lambda: bool(listed(ask, address, job[0])))
        ask(address, f"job/{job[0]}", method="PUT")
        eventually("the job ran again under the new leader", 120, lambda: ran(on, members, job[1]) == 2)
    finally:
        on(chief).check_output("systemctl start chronos")

    def agree() -> bool:
        try:
            return bool(leader(members, ask))
        except (AssertionError, OSError, StopIteration):
            return False

    eventually("all members agree again", 90, agree)


def test_nobody_gets_in_without_the_password_through_whichever_member(members: Members, inventory: dict[str, Any]) -> None:
    for address in members("chronos").values():
        for path in ("/ping", "/v1/scheduler/jobs", "/v1/scheduler/leader", "/metrics", "/logging", "/"):
            found = answers(f"http://{address}:{CHRONOS_PORT}", path, inventory["all"]["vars"], "chronos")
            assert (found.without, found.wrong, found.challenge[:5]) == (401, 401, "Basic"), f"{address}{path}: {found}"
            assert found.right != 401, f"{address}{path}: {found}"


def test_https_is_answered_with_a_certificate_of_the_clusters_authority(on: On, members: Members, inventory: dict[str, Any]) -> None:
    for address in members("chronos").values():
        found = answers(f"https://{address}:{CHRONOS_HTTPS_PORT}", "/v1/scheduler/leader", inventory["all"]["vars"], "chronos")
        assert (found.without, found.wrong, found.right) == (401, 401, 200)
    # Java reads the store that its role has made.
    on("m1").check_output("printf %s %s >/run/password", "%s", inventory["all"]["vars"]["vault_chronos_keystore_password"])
    listed = on("m1").check_output("keytool -list -keystore /etc/chronos/tls/key_store.jks -storepass:file /run/password")
    on("m1").check_output("rm /run/password")
    assert "PrivateKeyEntry" in listed and "trustedCertEntry" in listed


def test_no_secret_is_to_be_seen(on: On, members: Members, inventory: dict[str, Any]) -> None:
    for host in members("chronos"):
        tells_no_secret(on(host), "chronos", inventory["all"]["vars"])


@pytest.mark.nightly
def test_what_an_open_cluster_is_told_lets_everybody_in_and_leaves_no_password(on: On, members: Members, converge: Callable[..., Any],
                                                                               inventory: dict[str, Any]) -> None:
    values = inventory["all"]["vars"]
    files = "grep -rl %s /etc/chronos /etc/provisioner/credentials || true"
    hosts, address = ",".join(members("chronos")), members("chronos")["m1"]
    assert on("m1").check_output(files, values["vault_chronos_http_password"]).split() == ["/etc/chronos/args"]
    try:
        done = converge("chronos", hosts, chronos_http_password="", chronos_authority={})
        assert done.returncode == 0, done.stdout
        assert answers(f"http://{address}:{CHRONOS_PORT}", "/v1/scheduler/leader", values, "chronos").without == 200
        assert on("m1").file("/etc/provisioner/credentials/chronos.json").mode == 0o600, "it stays, for leaders that are still closed"
        assert on("m1").check_output("ls /etc/chronos/tls") == "" and not on("m1").socket(f"tcp://{address}:{CHRONOS_HTTPS_PORT}").is_listening
        assert on("m1").check_output(files, values["vault_chronos_http_password"]) == ""
    finally:
        done = converge("chronos", hosts)
    assert done.returncode == 0, done.stdout
    assert answers(f"http://{address}:{CHRONOS_PORT}", "/v1/scheduler/leader", values, "chronos").without == 401


def test_a_password_that_chronos_would_not_understand_is_refused(converge: Callable[..., Any]) -> None:
    done = converge("chronos", "m1", chronos_http_password="a:b")  # noqa: S106 - none of ours
    assert done.returncode and "chronos_http_password has a colon" in " ".join(done.stdout.split())


def test_a_framework_that_mesos_removed_is_named_and_cured_by_a_repair(cluster: ClusterUnderTest, on: On, members: Members, ask: Ask,
                                                                         job: tuple[str, str]) -> None:
    before = ran(on, members, job[1])

    def back() -> bool:
        with suppress(OSError, AssertionError, StopIteration):
            if listed(ask, leader_address(members, ask), job[0]):
                ask(leader_address(members, ask), f"job/{job[0]}", method="PUT")
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
