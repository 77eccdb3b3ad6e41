"""Every door is tried from five places: a closed cluster has none open, and whatever is opened by hand is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from provisioner.components.door import PLACES
from provisioner.context import Context
from provisioner.observe.proof import test_image as image
from provisioner.state import secrets
from provisioner_lab.under_test import ClusterUnderTest
from tests.lab.support.unlocked import YES, started

pytestmark = pytest.mark.provision(masters=3, agents=2)

Audit = dict[str, Any]


def audit(cluster: ClusterUnderTest, *arguments: str) -> Audit:
    """What the command finds, and that its exit code says the same."""
    done = cluster.run("audit", "--json", *arguments, check=False)
    found: Audit = json.loads(done.stdout)
    assert done.returncode == (0 if found["closed"] else 1), done.stderr
    return found


def texts(found: Audit, severity: str = "fail") -> list[str]:
    """What is wrong beside doors."""
    return [f"{one['host']}: {one['text']}" for one in found["findings"] if one["severity"] == severity]


@pytest.fixture(scope="module")
def before(cluster: ClusterUnderTest) -> Audit:
    """The cluster as it was built."""
    return audit(cluster)


@pytest.fixture
def opened(cluster: ClusterUnderTest) -> Iterator[Callable[[str, str, str], None]]:
    """`opened(host, script, undo)`: something is opened on a host, and shut again when the test ends."""
    undone: list[tuple[str, str]] = []

    def harm(host: str, script: str, undo: str) -> None:
        undone.append((host, undo))
        cluster.host(host).run(script)

    yield harm
    for host, undo in undone:
        cluster.host(host).run(undo)


def answering(port: int) -> tuple[str, str]:
    """A server that says yes to everybody, and how it ends."""
    return started(f"audit-yes-{port}", "python3", "-c", YES, "", str(port)), f"systemctl stop audit-yes-{port}"


def test_no_door_of_a_closed_cluster_is_open_and_the_right_credentials_get_in(cluster: ClusterUnderTest, before: Audit) -> None:
    assert before["access"] == "closed"
    assert (before["open"], texts(before), before["closed"]) == ([], [], True)
    assert before["doors"] >= 40 and {row["place"] for row in before["rows"]} == PLACES.keys()
    opens = {row["door"].split("/")[0].split()[-1] for row in before["rows"] if row["verdict"] == "opens"}
    assert {"5050", "5051", "8080", "4400", "8500"} <= opens


def test_nothing_is_left_behind_and_status_says_how_it_went(cluster: ClusterUnderTest, before: Audit) -> None:
    assert "audit-" not in cluster.host("a1").run("docker ps --all --format '{{.Names}}'")
    assert f" of {before['doors']}" in json.loads(cluster.run("status", "--json", check=False).stdout)["audit"]


@pytest.mark.nightly
def test_a_door_that_nobody_is_to_have_is_named(cluster: ClusterUnderTest, opened: Callable[..., None]) -> None:
    opened("m1", *answering(2375))
    found = audit(cluster)
    door = "Docker's API over TCP 2375/tcp"
    assert found["open"] == [{"host": "m1", "door": door}]
    assert {row["place"] for row in found["rows"] if row["door"] == door and row["verdict"] == "open"} == PLACES.keys()


def test_a_listener_that_is_no_known_door_is_named_with_its_unit(cluster: ClusterUnderTest, opened: Callable[..., None]) -> None:
    opened("a1", *answering(4242))
    assert [text for text in texts(audit(cluster, "--limit", "a1")) if "4242" in text] == [
        "a1: python3 (audit-yes-4242.service) listens on 0.0.0.0:4242, which is no known door"]


def test_secrets_in_sight_are_named_and_not_shown(cluster: ClusterUnderTest, opened: Callable[..., None]) -> None:
    context = Context(cluster.inventory)
    known = secrets.load(context.cluster)
    first, second, third, fourth = sorted(name for name in known if name.endswith("_secret"))[:4]
    opened("a1", started("audit-argv", "sh", "-c", "sleep 600; true", known[first]), "systemctl stop audit-argv")
    opened("a1", f"echo 'password: {known[second]}' > /etc/audit.conf; chmod 644 /etc/audit.conf", "rm /etc/audit.conf")
    opened("a1", f"logger -t audit 'with {known[third]}'; journalctl --sync", "journalctl --rotate; journalctl --vacuum-time=1s")
    opened("a1", f"docker create --name audited -e X={known[fourth]} {image(context.cluster)} true", "docker rm audited")
    opened("a1", "chmod 644 /etc/provisioner/tls/key.pem", "chmod 600 /etc/provisioner/tls/key.pem")
    done = cluster.run("audit", "--json", "--limit", "a1", check=False)
    found = texts(json.loads(done.stdout))
    for text in (f"{first} is on the command line of sh", f"{second} is in /etc/audit.conf, mode 0644", f"{third} is in the journal",
                 f"{fourth} is in 'docker inspect audited'", "/etc/provisioner/tls/key.pem has mode 0644"):
        assert f"a1: {text}" in found
    assert not [name for name, value in known.items() if value in done.stdout + done.stderr]


@pytest.mark.nightly
def test_a_door_with_another_lock_than_ours_locks_the_operator_out(cluster: ClusterUnderTest, opened: Callable[..., None]) -> None:
    known = secrets.load(Context(cluster.inventory).cluster)
    if "vault_marathon_http_password" not in known:
        pytest.skip("Marathon has no password")
    opened("m1", "systemctl stop marathon; " + started("audit-no", "python3", "-c", YES.replace("200", "401"), "", "8080"),
           "systemctl stop audit-no; systemctl start marathon")
    found = audit(cluster)
    assert "locked out" in {row["verdict"] for row in found["rows"] if "8080" in row["door"]}
