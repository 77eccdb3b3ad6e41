"""Hosts without a mirror install from the vendors: whatever goes wrong there has its message, and then the same command goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from provisioner_lab.faults import Wrong, spoil
from provisioner_lab.work import find
from tests.lab.support.checkout import HOME, ClusterUnderTest, lab_name, provision

pytestmark = [pytest.mark.own_lab, pytest.mark.nightly]
LAB = lab_name("vendors")
CONSUL = "releases.hashicorp.com/consul/*"
DOCKER = "download.docker.com/linux/debian"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterUnderTest]:
    """One master and one agent, new."""
    provision("lab", "down", "--name", LAB, "--ignore-missing")
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "1", "--vendors")
    yield ClusterUnderTest(LAB, HOME)
    provision("lab", "down", "--name", LAB)


def problems(cluster: ClusterUnderTest) -> str:
    """What preflight has against the hosts' sources."""
    found = json.loads(cluster.run("preflight", "--json", check=False).stdout)["findings"]
    return "\n".join(each["message"] for each in found if each["check"] == "sources" and each["severity"] == "fail")


def refused(cluster: ClusterUnderTest) -> str:
    """What `up` ends with."""
    done = cluster.run("up", "--yes", check=False)
    assert done.returncode == 5, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_inventory_names_no_mirror_and_all_is_there(cluster: ClusterUnderTest) -> None:
    assert "cluster_mirror" not in cluster.inventory.read_text()
    assert problems(cluster) == ""


@pytest.mark.parametrize(("where", "what", "amount", "said"), [
    (f"{CONSUL}.zip", "status", 404, "consul_1.*: HTTP 404"),
    (f"{DOCKER}/dists/*", "status", 500, "InRelease: HTTP 500"),
    (f"{CONSUL}.zip", "loop", 0, "consul_1.*redirect"),
    (f"{DOCKER}/dists/*", "expired", 0, "InRelease is no longer valid"),
    ("registry-1.docker.io/v2/mesosphere/marathon/*", "status", 404, "the registry has no image mesosphere/marathon"),
    ("auth.docker.io/*", "status", 500, "mesosphere/marathon.*HTTP 500"),
    (f"{DOCKER}/dists/*.gz", "cut", 100, "download.docker.com: Compressed file ended"),
])
def test_preflight_says_what_is_wrong(cluster: ClusterUnderTest, where: str, what: Wrong, amount: int, said: str) -> None:
    with spoil(find(LAB), where, what, amount):
        found = problems(cluster)
    assert re.search(said, found), found


def test_a_proxy_in_between_is_gone_through_and_named(cluster: ClusterUnderTest) -> None:
    before = cluster.inventory.read_text()
    proxy = f"http://{find(LAB).vendors}:3128"
    wishes = rf"\1cluster_http_proxy: {proxy}\n\1cluster_https_proxy: {proxy}\n\g<0>"
    cluster.inventory.write_text(re.sub(r"^( +)cluster_name:", wishes, before, count=1, flags=re.MULTILINE))
    try:
        assert problems(cluster) == ""
        with spoil(find(LAB), "proxy/*", "status", 407):
            found = problems(cluster)
        assert re.search("releases.hashicorp.com: Tunnel connection failed: 407", found), found
    finally:
        cluster.inventory.write_text(before)


@pytest.mark.parametrize(("faults", "said"), [
    ([(f"{DOCKER}/gpg", "expired", 0)], ["EXPKEYSIG"]),
    # Roles that go side by side: the first is shown in full, the others by name.
    ([(f"{DOCKER}/*.deb", "damaged", 0), (f"{CONSUL}.zip", "damaged", 0), ("downloads.apache.org/*.gz", "cut", 100_000)],
     ["Hash Sum mismatch", "failed: m1: consul : Fetch the archive", "failed: m1: zookeeper : Fetch the archive"]),
    ([("rpm.aventer.biz/*.deb", "status", 404)], ["aventer-mesos_.* 404 "]),
    ([("registry-1.docker.io/v2/mesosphere/marathon/blobs/*", "damaged", 0), ("artifacts.elastic.co/*.deb", "status", 500)],
     ["verification failed for digest", "failed: m1: logstash : Install the packages"]),
], ids=["key", "side by side", "package", "image"])
def test_up_ends_with_it_and_the_next_one_gets_further(cluster: ClusterUnderTest, faults: list[tuple[str, Wrong, int]],
                                                       said: list[str]) -> None:
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(spoil(find(LAB), *fault))
        found = refused(cluster)
    for words in said:
        assert re.search(words, found), found


def test_all_comes_from_the_vendors(cluster: ClusterUnderTest) -> None:
    cluster.up()
    cluster.run("verify")
    run = cluster.host("a1").run
    for package, server in (("docker-ce", "download.docker.com"), ("aventer-mesos", "rpm.aventer.biz"), ("rsyslog", "distribution.test")):
        assert re.search(rf"\*\*\* .*\n.* https?://{server}", run(f"apt-cache policy {package}")), package
    assert "mesosphere/marathon:v" in cluster.host("m1").run("docker image ls --format '{{.Repository}}:{{.Tag}}'")
    assert cluster.up()["changed"] == 0
