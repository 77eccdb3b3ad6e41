"""Everything off the hosts and back again: with the data that stayed on them, and from a backup after it was deleted too."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.lab.support.belongings import DATA, NAME, NODE, Belongings
from tests.lab.support.checkout import ClusterUnderTest, eventually, provision
from tests.lab.support.results import keep

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
UNITS = ("docker", "consul", "dnsmasq", "zookeeper", "mesos-master", "mesos-agent", "marathon", "chronos", "registrator", "logstash")
DATA_FOLDERS = ("/var/lib/zookeeper", "/var/lib/mesos", "/var/lib/consul", "/var/lib/logstash")
Open = Callable[[], Belongings]


def all_is_back(cluster: ClusterUnderTest, found: Belongings, job: dict[str, Any]) -> None:
    assert found.nodes.get(NODE)[0] == DATA
    assert found.key() == "kept"
    eventually("the app runs again", 180, lambda: found.marathon.get_app(f"/{NAME}").tasks_running == 1)
    assert found.job() == job
    eventually("all is well", 120, lambda: bool(cluster.status()["healthy"]))


def left_on(cluster: ClusterUnderTest, host: str) -> dict[str, str]:
    """What a host still has of ours: units that are active, files, and who listens.

    Nothing of ours are sshd, the lab's own name server at 127.0.0.11, and containerd, which came with Docker's package.
    """
    run = cluster.host(host).run
    return {
        "units": " ".join(u for u, s in zip(UNITS, run(f"systemctl is-active {' '.join(UNITS)} || true").split(), strict=True)
                          if s == "active"),
        "files": run("ls -d /etc/provisioner-cluster /var/lib/provisioner /etc/*.d/*provisioner* /etc/*/*/*provisioner* "
                     "/etc/mesos /etc/marathon /etc/chronos /etc/consul.d 2>/dev/null || true"),
        "listeners": run("ss -Htlunp | grep -v -e '\"sshd\"' -e '\"containerd\"' -e 127.0.0.11: || true"),
    }


def test_without_the_name_nothing_is_done(cluster: ClusterUnderTest) -> None:
    refused = cluster.run("reset", "--yes", "another-name", check=False)
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (2, True)
    assert cluster.status()["healthy"]


def test_a_host_of_another_cluster_is_left_alone(cluster: ClusterUnderTest) -> None:
    cluster.host("a1").run("cp /etc/provisioner-cluster /root/kept && echo 1111-2222 theirs > /etc/provisioner-cluster")
    try:
        for command in (("reset", "--yes", f"lab-{cluster.lab}"), ("up", "--yes")):
            refused = cluster.run(*command, check=False)
            assert (refused.returncode, "another cluster: theirs" in refused.stderr) == (5, True), refused.stderr
    finally:
        cluster.host("a1").run("cp /root/kept /etc/provisioner-cluster; rm /root/kept")
    assert cluster.status()["healthy"]


def test_a_majority_of_empty_disks_does_not_found_an_empty_ensemble(cluster: ClusterUnderTest, open_belongings: Open) -> None:
    open_belongings().ensure()
    for host in ("m1", "m2", "m3"):
        cluster.host(host).run("systemctl stop zookeeper")
    for host in ("m1", "m2"):
        cluster.host(host).run("mv /var/lib/zookeeper/version-2 /root/version-2")
    refused = cluster.run("up", "--yes", check=False)
    assert (refused.returncode, "only m3 still has data" in refused.stderr) == (5, True), refused.stderr
    assert cluster.host("m1").run("systemctl is-active zookeeper || true") == "inactive\n"
    cluster.host("m1").run("mv /root/version-2 /var/lib/zookeeper/version-2")
    cluster.up()
    assert open_belongings().nodes.get(NODE)[0] == DATA
    eventually("all is well", 120, lambda: bool(cluster.status()["healthy"]))


@pytest.mark.parametrize("host", ["m2", "a2"])
def test_another_machine_takes_the_place_of_a_lost_one(cluster: ClusterUnderTest, open_belongings: Open, host: str) -> None:
    """Of a host of every quorum, and of an agent: an app that ran there is started elsewhere."""
    open_belongings().ensure()
    identity = cluster.host("m2").run("cat /var/lib/zookeeper/myid")
    subprocess.run(["docker", "rm", "-f", "-v", f"{cluster.lab}-{host}"], check=True, capture_output=True)
    provision("lab", "up", "--name", cluster.lab)
    refused = cluster.run("replace", host, "--yes", "another-name", check=False)
    assert (refused.returncode, "nothing was changed" in refused.stderr) == (2, True)
    cluster.run("replace", host, "--yes", host)
    eventually("all is well", 120, lambda: bool(cluster.status()["healthy"]))
    assert cluster.host("m2").run("cat /var/lib/zookeeper/myid") == identity
    found = open_belongings()
    assert found.nodes.get(NODE)[0] == DATA
    eventually("the app runs", 180, lambda: found.marathon.get_app(f"/{NAME}").tasks_running == 1)
    assert cluster.up()["changed"] == 0
    refused = cluster.run("replace", host, "--yes", host, check=False)
    assert (refused.returncode, "no new machine" in refused.stderr) == (5, True)


def test_with_the_data_that_stayed_the_same_cluster_comes_up_again(cluster: ClusterUnderTest, open_belongings: Open) -> None:
    job = open_belongings().ensure()
    cluster.run("reset", "--yes", f"lab-{cluster.lab}")
    assert {h: left_on(cluster, h) for h in ("m1", "a1")} == {h: {"units": "", "files": "", "listeners": ""} for h in ("m1", "a1")}
    assert cluster.host("m1").run("ls -d /var/lib/zookeeper/version-2 /var/lib/consul/raft"), "its data did not stay"
    cluster.up()
    all_is_back(cluster, open_belongings(), job)


def test_from_a_snapshot_it_comes_back_after_its_machines_were_thrown_away(cluster: ClusterUnderTest, open_belongings: Open) -> None:
    job = open_belongings().ensure()
    provision("lab", "snapshot", cluster.lab, "--name", cluster.lab, "--replace")
    try:
        provision("lab", "down", "--name", cluster.lab)
        keep("snapshot", provision("lab", "restore", cluster.lab).stderr)
        all_is_back(cluster, open_belongings(), job)
        assert cluster.up()["changed"] == 0
    finally:
        provision("lab", "snapshots", "--remove", cluster.lab)


def test_from_a_backup_it_comes_back_after_everything_was_deleted(cluster: ClusterUnderTest, open_belongings: Open, tmp_path: Path) -> None:
    """Also the identity and the secrets on the operator's own machine: clients of the old cluster get on with the new one."""
    job = open_belongings().ensure()
    file = tmp_path / "backup.tar.gz"
    cluster.run("backup", "--out", str(file))
    cluster.run("reset", "--data", "--yes", f"lab-{cluster.lab}")
    for host in ("m1", "m2", "m3", "a1", "a2"):
        assert cluster.host(host).run(f"ls -d {' '.join(DATA_FOLDERS)} 2>/dev/null; ls -A /var/lib/docker") == ""
    own = cluster.inventory.parent / ".provision"
    own.rename(tmp_path / "lost")
    cluster.run("restore", str(file), "--identity")
    (ledger,) = own.glob("*/ledger.yml")
    assert ledger.read_bytes() == (tmp_path / "lost" / ledger.relative_to(own)).read_bytes()
    refused = cluster.run("restore", str(file), "--identity", check=False)
    assert (refused.returncode, "has an identity already" in refused.stderr) == (2, True), refused.stderr
    cluster.up()
    fresh = open_belongings()
    assert (fresh.nodes.exists(NODE), fresh.key(), fresh.marathon.list_apps(), fresh.job()) == (None, "", [], {})
    cluster.run("restore", str(file), "--yes", f"lab-{cluster.lab}")
    found = open_belongings()
    all_is_back(cluster, found, job)
    found.delete()
    assert cluster.up()["changed"] == 0
