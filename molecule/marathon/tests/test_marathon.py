"""Marathon, through the client that others wrote: one leads, all answer, apps run and stay, whoever is lost."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from marathon import MarathonClient
from marathon.models import MarathonApp

from tests.lab.support.checkout import ClusterUnderTest, eventually
from tests.lab.support.locks import answers, tells_no_secret
from tests.lab.support.removed_framework import is_named_refused_and_cured
from tests.lab.support.schedulers import MARATHON_HTTPS_PORT, MARATHON_PORT, marathon_client

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Client = Callable[[str], MarathonClient]


@pytest.fixture(scope="module")
def client(inventory: dict[str, Any]) -> Client:
    """`client(address)`: of one member alone."""
    return lambda address: marathon_client(address, inventory["all"]["vars"])


def leader(members: Members, client: Client) -> str:
    """The host that all members name as the leader."""
    named = {str(client(a).get_leader()["leader"]).split(":")[0] for a in members("marathon").values()}
    assert len(named) == 1, f"the members name {named}"
    (address,) = named
    return next(host for host, own in members("marathon").items() if own == address)


@pytest.fixture(scope="module")
def app(members: Members, inventory: dict[str, Any], client: Client) -> Iterator[str]:
    """An app in a container with a health check; its id."""
    image = f"{inventory['all']['vars']['docker_registry']}/busybox:1.35"
    name = f"/scenario-{uuid.uuid4().hex[:8]}"
    docker = {"image": image, "network": "BRIDGE", "portMappings": [{"containerPort": 8000, "hostPort": 0}]}
    wanted = {"id": name, "instances": 1, "cpus": 0.1, "mem": 32, "container": {"type": "DOCKER", "docker": docker},
              "cmd": "echo alive > /tmp/index.html && exec httpd -f -p 8000 -h /tmp",
              "healthChecks": [{"protocol": "HTTP", "path": "/", "portIndex": 0, "intervalSeconds": 2, "gracePeriodSeconds": 30}]}
    first = client(next(iter(members("marathon").values())))
    first.create_app(name, MarathonApp.from_json(wanted))
    eventually("the app is healthy", 120, lambda: first.get_app(name).tasks_healthy == 1)
    yield name
    first.delete_app(name, force=True)


def task(members: Members, client: Client, app: str) -> tuple[str, str]:
    """Id and host of the app's only task, as any member that answers says."""
    for address in members("marathon").values():
        try:
            (one,) = client(address).list_tasks(app)
            return str(one.id), str(one.host)
        except Exception:  # noqa: S112 - the client raises what its HTTP library raises; the next member is asked
            continue
    raise AssertionError("no member answers")


def test_one_leads_and_all_answer(members: Members, client: Client) -> None:
    assert leader(members, client) in members("marathon")
    for host, address in members("marathon").items():
        assert client(address).get_info().framework_id, f"{host} is connected to no Mesos"


def test_an_app_runs_in_a_container_and_is_seen_through_every_member(on: On, members: Members, client: Client, app: str) -> None:
    identity, host = task(members, client, app)
    for address in members("marathon").values():
        assert [t.id for t in client(address).list_tasks(app)] == [identity]
    name = next(n for n, a in members("mesos_agent").items() if host in (n, a))
    assert "busybox" in on(name).check_output("docker ps --format '{{.Image}} {{.Names}}' | grep mesos-")


def test_an_app_outlives_a_restart_of_its_agent(on: On, members: Members, client: Client, app: str) -> None:
    identity, host = task(members, client, app)
    name = next(n for n, a in members("mesos_agent").items() if host in (n, a))
    running = on(name).check_output("docker ps -q --filter name=mesos-")
    on(name).check_output("systemctl restart mesos-agent")
    eventually("the agent is back", 60, lambda: on(name).run("systemctl is-active mesos-agent").rc == 0)
    eventually("the app is healthy", 60, lambda: client(members("marathon")["m1"]).get_app(app).tasks_healthy == 1)
    # At once, or as soon as the agent finds the executor gone.
    still = (on(name).check_output("docker ps -q --filter name=mesos-"), task(members, client, app)[0]) == (running, identity)
    assert still, "the restart of the agent took its container along"


def test_apps_survive_the_loss_of_the_leader(on: On, members: Members, client: Client, app: str) -> None:
    identity, chief = task(members, client, app)[0], leader(members, client)
    on(chief).check_output("systemctl stop marathon")
    try:
        others = {h: a for h, a in members("marathon").items() if h != chief}

        def taken_over() -> bool:
            try:
                named = {str(client(a).get_leader()["leader"]).split(":")[0] for a in others.values()}
            except Exception:  # whatever the client raises while nobody leads
                return False
            return len(named) == 1 and named <= set(others.values())

        eventually("another member leads", 60, taken_over)
        eventually("the new leader has loaded the app", 60, lambda: _has(client(next(iter(others.values()))), app))
        assert [t.id for t in client(next(iter(others.values()))).list_tasks(app)] == [identity], "the app was started anew"
    finally:
        on(chief).check_output("systemctl start marathon")
    eventually("all members agree again", 90, lambda: _agree(members, client))


def _has(member: MarathonClient, app: str) -> bool:
    with suppress(Exception):  # whatever the client raises before the app is loaded
        return bool(member.get_app(app).instances == 1)
    return False


def _agree(members: Members, client: Client) -> bool:
    try:
        return bool(leader(members, client))
    except Exception:  # whatever the client raises while one member still starts
        return False


def test_a_framework_that_mesos_removed_is_named_and_cured_by_a_repair(cluster: ClusterUnderTest, members: Members, client: Client,
                                                                         app: str) -> None:
    before = task(members, client, app)[0]

    def back() -> bool:
        with suppress(Exception):  # whatever the client raises while a member still starts
            found = client(next(iter(members("marathon").values()))).get_app(app)
            return found.tasks_healthy == 1 and task(members, client, app)[0] != before
        return False

    is_named_refused_and_cured(cluster, "marathon", back)


def test_nobody_gets_in_without_the_password_through_whichever_member(members: Members, inventory: dict[str, Any], app: str) -> None:
    for address in members("marathon").values():
        for path in ("/ping", "/v2/apps", f"/v2/apps{app}", "/v2/info", "/v2/leader", "/metrics", "/"):
            found = answers(f"http://{address}:{MARATHON_PORT}", path, inventory["all"]["vars"], "marathon")
            assert (found.without, found.wrong, found.challenge[:5]) == (401, 401, "Basic"), f"{address}{path}: {found}"
            assert found.right != 401, f"{address}{path}: {found}"


def test_https_is_answered_with_a_certificate_of_the_clusters_authority(on: On, members: Members, inventory: dict[str, Any]) -> None:
    for address in members("marathon").values():
        found = answers(f"https://{address}:{MARATHON_HTTPS_PORT}", "/v2/info", inventory["all"]["vars"], "marathon")
        assert (found.without, found.wrong, found.right) == (401, 401, 200)
    # Java reads the store that its role has made.
    on("m1").check_output("printf %s %s >/run/password", "%s", inventory["all"]["vars"]["vault_marathon_keystore_password"])
    listed = on("m1").check_output("keytool -list -keystore /etc/marathon/tls/key_store.jks -storepass:file /run/password")
    on("m1").check_output("rm /run/password")
    assert "PrivateKeyEntry" in listed and "trustedCertEntry" in listed


def test_no_secret_is_to_be_seen(on: On, members: Members, client: Client, inventory: dict[str, Any]) -> None:
    for host in members("marathon"):
        on(host).check_output("systemctl restart marathon")  # so that its start is in the journal
    eventually("all members agree again", 90, lambda: _agree(members, client))
    for host in members("marathon"):
        tells_no_secret(on(host), "marathon", inventory["all"]["vars"])


@pytest.mark.nightly
def test_what_an_open_cluster_is_told_lets_everybody_in_and_leaves_no_password(on: On, members: Members, converge: Callable[..., Any],
                                                                               inventory: dict[str, Any]) -> None:
    values = inventory["all"]["vars"]
    files = "grep -rl %s /etc/marathon /etc/provisioner/credentials || true"
    hosts = ",".join(members("marathon"))
    assert on("m1").check_output(files, values["vault_marathon_http_password"]).split() == ["/etc/marathon/args"]
    try:
        done = converge("marathon", hosts, marathon_http_password="", marathon_authority={})
        assert done.returncode == 0, done.stdout
        address = members("marathon")["m1"]
        assert answers(f"http://{address}:{MARATHON_PORT}", "/v2/info", values, "marathon").without == 200
        assert on("m1").file("/etc/provisioner/credentials/marathon.json").mode == 0o600, "it stays, for leaders that are still closed"
        assert on("m1").check_output("ls /etc/marathon/tls") == "" and not on("m1").socket(f"tcp://{address}:{MARATHON_HTTPS_PORT}").is_listening
        assert on("m1").check_output(files, values["vault_marathon_http_password"]) == ""
    finally:
        done = converge("marathon", hosts)
    assert done.returncode == 0, done.stdout
    assert answers(f"http://{address}:{MARATHON_PORT}", "/v2/info", values, "marathon").without == 401


def test_a_password_that_marathon_would_not_understand_is_refused(converge: Callable[..., Any]) -> None:
    done = converge("marathon", "m1", marathon_http_password="a:b")  # noqa: S106 - none of ours
    assert done.returncode and "marathon_http_password has a colon" in " ".join(done.stdout.split())


def test_a_failover_timeout_that_would_end_all_tasks_in_an_upgrade_is_refused(converge: Callable[..., Any]) -> None:
    done = converge("marathon", "m1", marathon_failover_timeout_seconds=60)
    assert done.returncode and "marathon_failover_timeout_seconds must be between 3600" in " ".join(done.stdout.split())
