"""Hosts as owners have them, on which an `up` would stop half-way: preflight names what it is, and where the cure is ours `up` works."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from provisioner_lab.model import default_inventory
from tests.lab.support.checkout import HOME, ClusterUnderTest, lab_name, provision

pytestmark = pytest.mark.own_lab
LAB = lab_name("unfit")
PROXY_PORT = 8888
#: Debian's proxy, on a host that reaches the mirror. (tinyproxy passes one of Docker's several Accept lines on: 'manifest invalid'.)
START_PROXY = """
set -e
python3 -c "import urllib.request as u; open('/tmp/site.asc', 'wb').write(u.urlopen('{mirror}/apt/key.asc').read())"
chmod 644 /tmp/site.asc
echo 'deb [signed-by=/tmp/site.asc] {mirror}/apt bookworm main' >/etc/apt/sources.list.d/before.list
apt-get update -q >/dev/null
DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends squid >/dev/null 2>&1
rm -rf /etc/apt/sources.list.d/before.list /var/lib/apt/lists/*
printf '%s\\n' 'http_port {port}' 'acl site src 198.18.0.0/15' 'http_access allow site' 'cache deny all' >/etc/squid/squid.conf
systemctl restart squid
"""
#: What owners do to hosts, before we come.
OWNERS = """
set -e
ip route add unreachable {mirror_address}/32
ip link set eth0 mtu 1400
ip route add 10.32.4.0/22 dev eth0
mkdir -p /var/lib/mesos /etc/docker/certs.d/theirs:5000 /etc/consul.d /etc/systemd/system/docker.service.d
mount -t tmpfs -o noexec none /var/lib/mesos
mount -t tmpfs -o size=50m none /opt
echo '{{"max-concurrent-downloads": 2, "log-driver": "json-file"}}' >/etc/docker/daemon.json
echo theirs >/etc/docker/certs.d/theirs:5000/ca.crt
echo '{{}}' >/etc/consul.d/theirs.json
cd /etc/systemd/system/docker.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H fd:// --log-driver=json-file\\n' >theirs.conf
"""
#: What a hop drops that carries less than everybody believes.
LARGE = "-p udp --dport 4789 -m length --length 1340:65535"
CURED = "umount /var/lib/mesos /opt; ip route del 10.32.4.0/22; rm /etc/systemd/system/docker.service.d/theirs.conf"


def change(cluster: ClusterUnderTest, **variables: Any) -> None:
    """Set variables of the whole cluster."""
    yaml, path = YAML(), cluster.inventory
    content = yaml.load(path.read_text())
    content["all"]["vars"].update(variables)
    yaml.dump(content, path)


def findings(cluster: ClusterUnderTest) -> list[dict[str, str]]:
    """All that preflight says."""
    found: list[dict[str, str]] = json.loads(cluster.run("preflight", "--json", check=False).stdout)["findings"]
    return found


def problems(cluster: ClusterUnderTest) -> list[str]:
    """What preflight says of a1 but about its name, each with its severity; nothing of the others."""
    found = findings(cluster)
    bad = [f for f in found if f["severity"] != "ok" and f["check"] != "hostname"]
    assert {f["host"] for f in bad} <= {"a1"}, bad
    return [f"{f['severity']}: {f['message']}" for f in bad]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterUnderTest]:
    """One master, which is the site's proxy too, and two agents, of which a1 was its owner's for long."""
    provision("lab", "down", "--name", LAB, check=False)
    provision("lab", "up", "--name", LAB, "--masters", "1", "--agents", "2")
    found = ClusterUnderTest(LAB, HOME)
    mirror = str(YAML().load(default_inventory(LAB).read_text())["all"]["vars"]["cluster_mirror"])
    found.host("m1").run(START_PROXY.format(mirror=mirror, port=PROXY_PORT))
    found.host("a1").run(OWNERS.format(mirror_address=mirror.removeprefix("http://")))
    yield found
    provision("lab", "down", "--name", LAB)


def test_each_is_named_before_anything_is_changed(cluster: ClusterUnderTest) -> None:
    said = problems(cluster)
    for words in (
        r"fail: 198\.18\.\d+\.2: .*No route to host",
        r"fail: eth0 carries packets of 1400 bytes, the overlay sends some of 1500",
        r"fail: containers would get addresses of 10\.32\.0\.0/16, but 10\.32\.4\.0/22 is at eth0",
        r"fail: the filesystem of /var/lib/mesos is mounted noexec",
        r"fail: 0\.0 GiB free for /opt",
        r'fail: /etc/docker/daemon\.json is not ours and sets \{"max-concurrent-downloads": 2\}',
        r"fail: /etc/systemd/system/docker\.service\.d/theirs\.conf starts the engine with --log-driver",
        r"warn: /etc/docker/daemon\.json is not ours, and Docker needs its place",
        r"warn: /etc/consul\.d/theirs\.json is not ours, and Consul reads it too",
    ):
        assert any(re.match(words, each) for each in said), (words, said)
    refused = cluster.run("up", "--yes", check=False)
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (5, True)
    assert "json-file" in cluster.host("a1").run("cat /etc/docker/daemon.json")


def test_an_image_and_a_package_that_nobody_has_are_named(cluster: ClusterUnderTest) -> None:
    catalogue = cluster.inventory.parent / "catalogue.json"
    other = cluster.inventory.parent / "without.json"
    entries = json.loads(catalogue.read_text())
    gone = {"registrator": {"image": "registrator:none"}, "mesos": {"package": "mesos-none"}}
    other.write_text(json.dumps([{**entry, **gone.get(entry["component"], {})} for entry in entries]))
    change(cluster, cluster_catalogue="without.json", cluster_http_proxy=f"http://{cluster.host('m1').address}:{PROXY_PORT}")
    found = [f["message"] for f in findings(cluster) if f["severity"] == "fail"]
    change(cluster, cluster_catalogue="catalogue.json")
    assert "no package source of this host has mesos-none" in found
    assert any(re.match(r"the registry has no image \S+/registrator:none", each) for each in found), found


def test_what_is_asked_for_is_fit(cluster: ClusterUnderTest) -> None:
    cluster.host("a1").run(CURED)
    change(cluster, docker_overlay_mtu=1400, docker_daemon_options={"max-concurrent-downloads": 2})
    assert [each for each in problems(cluster) if each.startswith("fail")] == []


@pytest.mark.nightly
def test_up_goes_by_the_proxy_and_keeps_what_was_there(cluster: ClusterUnderTest) -> None:
    run = cluster.host("a1").run
    cluster.up()
    cluster.run("verify")
    assert "Environment=" in run("cat /etc/systemd/system/docker.service.d/provisioner.conf")
    assert run("cat /etc/docker/daemon.json.before-provision-*") == '{"max-concurrent-downloads": 2, "log-driver": "json-file"}\n'
    assert '"com.docker.network.driver.mtu": "1400"' in cluster.host("m1").run("docker network inspect cluster")
    client = cluster.host("a2").run  # verify's web server runs on the first agent
    client(f"iptables -I INPUT {LARGE} -j DROP")
    refused = cluster.run("verify", check=False)
    client(f"iptables -D INPUT {LARGE} -j DROP")
    assert (refused.returncode, "small packets of the overlay get through, full ones" in refused.stdout + refused.stderr) == (5, True)
    assert "java.io.tmpdir=/var/lib/logstash/tmp" in cluster.host("m1").run("systemctl cat logstash")
    assert "noexec" in cluster.host("m1").run("findmnt -no OPTIONS /tmp"), "where it would have taken its libraries from"
    assert cluster.up()["changed"] == 0
    cluster.run("reset", "--yes", f"lab-{LAB}")
    assert run("cat /etc/docker/certs.d/theirs:5000/ca.crt /etc/consul.d/theirs.json") == "theirs\n{}\n"
    assert run("ls /etc/docker").split() == ["certs.d", run("basename /etc/docker/daemon.json.before-provision-*").strip()]
    assert [each for each in problems(cluster) if each.startswith("fail")] == []
