"""Every secret of a living cluster gets a new value: the old one is refused then, the new one is accepted, and two clients hardly notice.

How long each client had to wait is asserted (ten seconds) and printed as a table. A rotation that is killed is completed by the next `up`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.module_utils.consul import consul_token
from kazoo.client import KazooClient
from kazoo.exceptions import NoAuthError
from marathon import MarathonClient

from provisioner.components.rotation import rotations
from provisioner.context import Context
from provisioner.state import secrets
from provisioner_lab.services import USER
from tests.lab.support.checkout import HOME, PROVISION, ClusterUnderTest, eventually, provision
from tests.lab.support.schedulers import CHRONOS_PORT, MARATHON_HTTPS_PORT, MARATHON_PORT, marathon_client
from tests.lab.support.two_clients import Client, asker, report_gaps

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
Members = Callable[[str], dict[str, str]]
Written = tuple[Client, list[str]]
Values = Mapping[str, str]
#: The longest time that a client may be without an answer.
GAP_SECONDS = 10.0
#: What is rotated together; all of them are everything that there is.
TOGETHER = (("consul_*",), ("mesos_*", "verify", "zookeeper_*", "*_http", "*_keystore"), ("marathon_secret", "chronos_secret"),
            ("authority",))
GAPS: list[tuple[str, float, float]] = []
ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection("127.0.0.1", 8500, timeout=20)
connection.request("GET", sys.argv[1], headers={"X-Consul-Token": sys.argv[2]})
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""
LISTED = """
import json, pathlib
print(json.dumps([path.read_text() for path in pathlib.Path("/etc").glob("**/tls/ca.pem")]))
"""


def known(cluster: ClusterUnderTest) -> dict[str, str]:
    """The secrets as they are now."""
    return secrets.load(Context(cluster.inventory).cluster)


def status_of(url: str, *, user: str, password: str) -> int:
    """HTTP's answer to a login."""
    own = {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=own), timeout=20) as answer:  # noqa: S310 - of the lab
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


class LetIn:
    """Whether a secret of these values opens what it is for."""

    def __init__(self, cluster: ClusterUnderTest, members: Members, values: Values) -> None:
        self._cluster, self._values = cluster, values
        self._master, self._agent = (next(iter(members(group).values())) for group in ("mesos_master", "mesos_agent"))
        self._leader = members("mesos_master")[cluster.leader("mesos_master")]

    def __call__(self, name: str) -> bool:
        """By the rotation's name."""
        if name.startswith("consul_"):
            return self._consul(name)
        if name.startswith("zookeeper_"):
            return self._zookeeper(name.removeprefix("zookeeper_"))
        if name.endswith("_http"):
            return self._http(name.removesuffix("_http"))
        if name.endswith("_keystore"):
            return self._keystore(name.removesuffix("_keystore"))
        return self._authority() if name == "authority" else self._mesos(name)

    def _consul(self, name: str) -> bool:
        value = self._values[f"vault_{name}"]
        if name == "consul_gossip_key":
            _, said = self._ask_consul("/v1/operator/keyring", known(self._cluster)["vault_consul_operator_token"])
            return all(ring["Keys"].get(value) == ring["NumNodes"] for ring in json.loads(said))
        token = consul_token(value, "a1") if name == "consul_agent_token" else value
        return self._ask_consul("/v1/acl/token/self", token)[0] == 200

    def _ask_consul(self, path: str, token: str) -> tuple[int, str]:
        """Status and text, on a server's host."""
        status, said = json.loads(self._cluster.host("m1").run(f"python3 -c {shlex.quote(ASK)} {path} {token}"))
        return int(status), str(said)

    def _zookeeper(self, user: str) -> bool:
        path = {"super": "/", "mesos": "/mesos"}.get(user, f"/{user}")
        login = f"{user}:{self._values[f'vault_zookeeper_{user}_password']}"
        for host in ("m1", "m2", "m3"):
            client = KazooClient(hosts=self._cluster.zookeeper_at(host), timeout=10, auth_data=[("digest", login)])
            client.start(timeout=30)
            try:
                client.get_children(path)
            except NoAuthError:
                return False
            finally:
                client.stop()
                client.close()
        return True

    def _http(self, name: str) -> bool:
        port, path = {"marathon": (MARATHON_PORT, "/v2/info")}.get(name, (CHRONOS_PORT, "/v1/scheduler/jobs"))
        found = {status_of(f"http://{self._cluster.host(host).address}:{port}{path}", user=USER,
                           password=self._values[f"vault_{name}_http_password"]) for host in ("m1", "m2", "m3")}
        assert found in ({200}, {401}), found
        return found == {200}

    def _keystore(self, name: str) -> bool:
        """The end of a key store proves the password (the format's own way)."""
        store = base64.b64decode(self._cluster.host("m1").run(f"base64 -w0 /etc/{name}/tls/key_store.jks"))
        password = self._values[f"vault_{name}_keystore_password"].encode("utf-16-be")
        return hashlib.sha1(password + b"Mighty Aphrodite" + store[:-20]).digest() == store[-20:]  # noqa: S324 - the format's

    def _mesos(self, name: str) -> bool:
        """Masters let in whom they know, whatever that one may do then."""
        secret = next(each for each in rotations()[name][1].secrets)
        base = {"verify": "verify"}.get(name, name.removesuffix("_secret").removeprefix("mesos_").removeprefix("agent_"))
        user = base + ("-2" if self._values.get(f"vault_{secret}_turn") else "")
        server = f"{self._agent}:5051" if name == "mesos_agent_operator" else f"{self._leader}:5050"
        return status_of(f"http://{server}/metrics/snapshot", user=user, password=self._values[f"vault_{secret}"]) != 401

    def _authority(self) -> bool:
        """All hosts believe it, and Marathon shows a certificate of it."""
        certificate = self._values[secrets.AUTHORITY_CERTIFICATE]
        believed = {text for host in ("m1", "a1") for text in json.loads(self._cluster.host(host).run(f"python3 -c {shlex.quote(LISTED)}"))}
        ask = (f"cat >/run/rotate.pem <<'.'\n{certificate}.\nopenssl s_client -connect {self._master}:{MARATHON_HTTPS_PORT} "
               "-CAfile /run/rotate.pem -verify_return_error </dev/null >/dev/null 2>&1 && echo yes || echo no")
        return believed == {certificate} and self._cluster.host("m1").run(ask).strip() == "yes"


@pytest.fixture(scope="module")
def marathon(members: Members, inventory: dict[str, Any]) -> MarathonClient:
    """Of one member; its password is changed with the cluster's."""
    return marathon_client(next(iter(members("marathon").values())), inventory["all"]["vars"])


@pytest.fixture(scope="module")
def asked(marathon: MarathonClient, members: Members, inventory: dict[str, Any]) -> Iterator[Client]:
    """A client that asks a Marathon app all the time."""
    with asker(marathon, inventory["all"]["vars"]["docker_registry"], list(members("mesos_agent").values())) as client:
        yield client


def names(patterns: tuple[str, ...]) -> list[str]:
    from provisioner.verbs.shared.rotating import chosen_of

    return [*chosen_of(patterns, every=False)]


def test_nothing_is_left_out() -> None:
    found = [name for patterns in TOGETHER for name in names(patterns)]
    assert sorted(found) == sorted(rotations())


@pytest.mark.parametrize("patterns", TOGETHER, ids=" ".join)
def test_the_new_value_counts_and_the_old_one_does_not(cluster: ClusterUnderTest, members: Members, written: Written, asked: Client,
                                                      marathon: MarathonClient, patterns: tuple[str, ...]) -> None:
    before, changed = known(cluster), names(patterns)
    old = LetIn(cluster, members, before)
    assert [name for name in changed if not old(name)] == [], "these do not even open now"
    written[0].reset()
    asked.reset()
    begin = time.monotonic()
    provision("secrets", "rotate", *cluster.select, *patterns, "--yes")
    seconds = time.monotonic() - begin
    gaps = written[0].gap(), asked.gap()
    after = known(cluster)
    marathon.auth = USER, after["vault_marathon_http_password"]
    written[0].session.add_auth("digest", f"super:{after['vault_zookeeper_super_password']}")
    GAPS.append((f"{' '.join(patterns)} ({seconds:.0f} s)", *gaps))
    print(GAPS[-1], flush=True)
    variables = [variable for name in changed for variable in rotations()[name][1].variables]
    assert [name for name in variables if before[name] == after[name]] == []
    assert not [name for name in after if name.endswith(("_next", "_old"))]
    new = LetIn(cluster, members, after)
    assert [name for name in changed if not new(name)] == []
    assert [name for name in changed if LetIn(cluster, members, before)(name)] == [], "the old value still counts"
    assert cluster.up()["changed"] == 0
    assert cluster.status()["healthy"]
    assert max(gaps) <= GAP_SECONDS


def test_a_rotation_that_is_killed_is_completed_by_the_next_run(cluster: ClusterUnderTest, members: Members, written: Written,
                                                               asked: Client) -> None:
    before = known(cluster)
    written[0].reset()
    asked.reset()
    killed(cluster, "secrets", "rotate", *cluster.select, "consul_agent_token", "mesos_agent", "--yes")
    left = secrets.stages(Context(cluster.inventory).cluster)
    assert left.keys() == {"consul_agent_token", "mesos_agent"}
    assert "a rotation is under way (consul_agent_token, mesos_agent)" in cluster.run("plan").stderr
    cluster.run("up", "--yes")
    after = known(cluster)
    assert secrets.stages(Context(cluster.inventory).cluster) == {}
    for name in left:
        assert LetIn(cluster, members, after)(name) and not LetIn(cluster, members, before)(name)
    eventually("all is well", 90, lambda: bool(cluster.status()["healthy"]))
    GAPS.append(("killed, and completed by up", written[0].gap(), asked.gap()))


def killed(cluster: ClusterUnderTest, *arguments: str) -> None:
    """Run a command, and kill it with all that it started when the second stage has begun."""
    run = subprocess.Popen([PROVISION, *arguments], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, start_new_session=True)
    said = ""
    while run.stdout and "the new value is used" not in said:
        line = run.stdout.readline()
        assert line, f"it ended by itself: {said}"
        said += line
    deadline = time.monotonic() + 600
    while run.stdout and "[1/" not in said.partition("the new value is used")[2] and time.monotonic() < deadline:
        said += run.stdout.readline()
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)


def test_nothing_acknowledged_was_lost(cluster: ClusterUnderTest, written: Written) -> None:
    cluster.run("verify")
    report_gaps("gaps-rotate", GAPS, len(written[1]), written[0].errors)


def test_what_there_is_not_is_refused(cluster: ClusterUnderTest) -> None:
    refused = provision("secrets", "rotate", *cluster.select, "mesos_agnet", "--yes", check=False)
    assert (refused.returncode, "did you mean 'mesos_agent'" in refused.stderr) == (2, True), refused.stderr
