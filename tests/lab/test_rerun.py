"""A rerun does what differs and nothing else, and what it skips really is as it should be."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.inventory.load import load
from tests.lab.support.chaos import two_at_once
from tests.lab.support.checkout import PROVISION, ClusterUnderTest, eventually, mitogen
from tests.lab.support.drift import Drifting
from tests.lab.support.harms import KINDS

pytestmark = pytest.mark.provision(masters=3, agents=2)


def steps(cluster: ClusterUnderTest, *arguments: str) -> list[str]:
    """The components that `up` worked on, with their hosts: "ZooKeeper on m2"."""
    done = cluster.run("up", "--yes", *arguments)
    return re.findall(r"^ +[0-9]+\. (.+? on [a-z0-9, ]+?)(?:$| \(|:)", done.stdout + done.stderr, re.MULTILINE)


def await_schedulers(cluster: ClusterUnderTest, *harmed: tuple[str, str]) -> None:
    """Marathon's leader ends itself when its ZooKeeper goes and comes back by itself; members that were harmed (component, host) do not."""
    def back() -> bool:
        rows = [row for name in ("marathon", "chronos") for row in cluster.rows(name)]
        return all(row["state"] == "ok" for row in rows if (row["component"], row["host"]) not in harmed)

    eventually("every other Marathon and Chronos is back", 90, back)


@pytest.fixture
def by_mitogen(cluster: ClusterUnderTest) -> Iterator[None]:
    """The inventory asks for mitogen, as long as this lasts."""
    with mitogen(cluster):
        yield


def test_a_rerun_with_nothing_to_do_starts_no_ansible(cluster: ClusterUnderTest) -> None:
    begin = time.monotonic()
    assert cluster.up()["changed"] == 0
    print(f"rerun of five hosts: {time.monotonic() - begin:.1f} s")
    assert steps(cluster) == []


#: Component that is to be done again, host, what goes wrong there, and how it is seen that it was mended.
DRIFT = (
    ("Package sources", "a2", "chmod 666 /etc/apt/keyrings/provisioner-*.asc",
     "test $(stat -c %a /etc/apt/keyrings/provisioner-*.asc | uniq) = 644"),
    ("Docker", "a1", "chmod 666 /etc/docker/daemon.json", "test $(stat -c %a /etc/docker/daemon.json) = 644"),
    # Not even JSON any more, so Consul would not start again; the number in it is the one of the foundation.
    ("Consul", "m2", "echo '# mine' >>/etc/consul.d/bootstrap.json; chmod 707 /etc/consul.d",
     "grep -q bootstrap_expect /etc/consul.d/bootstrap.json && ! grep -q mine /etc/consul.d/bootstrap.json && "
     "test $(stat -c %a /etc/consul.d) = 755"),
    # Nothing but its digest shows that a program is not what was unpacked.
    ("Consul", "a1", "program=$(readlink -f /usr/local/bin/consul); cp -p $program $program.drift; echo drift >>$program.drift; "
     "mv $program.drift $program; chmod 777 $program",
     "program=$(readlink -f /usr/local/bin/consul); ! tail -c 6 $program | grep -q drift && test $(stat -c %a $program) = 755"),
    # The owner is as on a disk that was another machine's: nobody here has that number.
    ("ZooKeeper", "m2", "echo '# mine' >>/etc/zookeeper/provisioner/zoo.cfg; chown 12345:12345 /var/lib/zookeeper",
     "! grep -q mine /etc/zookeeper/provisioner/zoo.cfg && test $(stat -c %U:%G /var/lib/zookeeper) = zookeeper:zookeeper"),
    # The one that is down must come first: m1 serves without the file of its unit, and m2 would not start again.
    ("ZooKeeper", "m3", "chown 12345:12345 /etc/zookeeper/provisioner; chmod 707 /var/lib/zookeeper; systemctl stop zookeeper",
     "test $(stat -c %U:%G /etc/zookeeper/provisioner) = root:root && test $(stat -c %a /var/lib/zookeeper) = 750"),
    ("ZooKeeper", "m1", "rm /etc/systemd/system/zookeeper.service; systemctl daemon-reload",
     "test -f /etc/systemd/system/zookeeper.service && systemctl is-active zookeeper"),
    ("Mesos master", "m2", "rm /etc/systemd/system/mesos-master.service", "test -f /etc/systemd/system/mesos-master.service"),
    # Docker must not make a folder where the file was.
    ("Marathon", "m1", "systemctl disable marathon; rm /etc/marathon/secret; systemctl restart marathon; sleep 1",
     "systemctl is-enabled marathon && test -s /etc/marathon/secret"),
    ("Chronos", "m3", "rm /var/lib/provisioner/applied/chronos.json", "test -f /var/lib/provisioner/applied/chronos.json"),
    ("Registrator", "a2", "systemctl stop registrator", "systemctl is-active registrator"),
    # Enabled again, systemd has forgotten that it runs; a second one would send each line twice.
    # With that owner and mode Logstash itself can't read its pipeline.
    ("Logstash", "m3", "rm /etc/rsyslog.d/10-provisioner-logstash.conf; systemctl disable rsyslog; "
     "chown 12345 /etc/logstash/conf.d/cluster.conf; chmod 707 /etc/logstash/conf.d/cluster.conf",
     "test -f /etc/rsyslog.d/10-provisioner-logstash.conf && systemctl is-active rsyslog && test $(pgrep -c rsyslogd) = 1 && "
     "test $(stat -c %U:%G:%a /etc/logstash/conf.d/cluster.conf) = root:logstash:640"),
)


@pytest.mark.usefixtures("by_mitogen")
def test_only_what_drifted_is_done_again(cluster: ClusterUnderTest) -> None:
    """What `test_drift.py` found once. By mitogen, in less time; the tests that follow mend without it."""
    # Who leads must not be the member that stops: the others would vote, and m2 could not write that down in a folder of somebody else's.
    if cluster.leader("zookeeper") == "m3":
        cluster.host("m3").run("systemctl restart zookeeper")
        eventually("somebody else leads and all is well", 120, lambda: cluster.status()["healthy"])
        assert cluster.leader("zookeeper") != "m3"
    for _, host, damage, _ in DRIFT:
        cluster.host(host).run(damage)
    await_schedulers(cluster, ("marathon", "m1"), ("chronos", "m3"))
    worked_on = [tuple(step.split(" on ")) for step in steps(cluster)]
    assert {(component, host) for component, hosts in worked_on for host in hosts.split(", ")} == {(c, h) for c, h, _, _ in DRIFT}
    for _, host, _, mended in DRIFT:
        cluster.host(host).run(mended)
    assert steps(cluster) == []


def test_a_plan_says_what_would_be_done_and_why_and_does_nothing(cluster: ClusterUnderTest) -> None:
    config = "/etc/zookeeper/provisioner/zoo.cfg"
    cluster.host("m2").run(f"echo '# mine' >> {config}")
    done = cluster.run("plan", "--json", "--diff", "--detailed-exitcode", check=False)
    plan = json.loads(done.stdout)
    assert done.returncode == 2, done.stderr
    assert plan["steps"] == [{"component": "zookeeper", "verb": "up", "hosts": ["m2"], "at_a_time": 1, "together_if_none_serves": False,
                              "if_needed": "", "alongside": False, "why": f"{config} was edited",
                              "reasons": {"m2": f"{config} was edited"}}]
    assert [(c["host"], "-# mine" in c["diff"]) for c in plan["changes"]] == [("m2", True)]
    assert "# mine" in cluster.host("m2").run(f"cat {config}"), "a plan changed something"
    cluster.up()
    done = cluster.run("plan", "--detailed-exitcode")
    assert (done.returncode, done.stdout) == (0, "nothing to do\n")


def test_a_process_with_older_settings_than_its_file_is_restarted(cluster: ClusterUnderTest) -> None:
    """As a run leaves it that died between writing a file and restarting the unit."""
    config, on_a1 = "/etc/mesos/agent.env", cluster.host("a1").run
    before = on_a1("systemctl show -p MainPID --value mesos-agent").strip()
    on_a1(f"rm /var/lib/provisioner/applied/mesos_agent.json; cp -p {config} /tmp/kept; cat /tmp/kept > {config}; rm /tmp/kept")
    assert steps(cluster) == ["Mesos agent on a1"]
    assert on_a1("systemctl show -p MainPID --value mesos-agent").strip() != before
    assert steps(cluster) == []


def test_a_process_that_listens_elsewhere_is_restarted_although_its_file_is_right(cluster: ClusterUnderTest) -> None:
    """The role finds every file as it should be, and then that nobody answers."""
    config, on_m3 = "/etc/zookeeper/provisioner/zoo.cfg", cluster.host("m3").run
    on_m3(f"cp -p {config} /tmp/kept; sed -i 's/=2181$/=12181/' {config}; systemctl restart zookeeper; sleep 1; cp -p /tmp/kept {config}")
    await_schedulers(cluster)
    assert steps(cluster) == ["ZooKeeper on m3"]
    on_m3("rm /tmp/kept; ss -Hlnt 'sport = :2181' | grep -q .")
    assert steps(cluster) == []


def test_a_killed_run_is_completed_by_the_next(cluster: ClusterUnderTest, tmp_path: Path) -> None:
    cluster.host("m1").run("rm /etc/chronos/args /etc/marathon/marathon.env")
    runs = load(cluster.inventory).state_dir / "runs"
    before = set(runs.iterdir())
    run = subprocess.Popen([PROVISION, "up", *cluster.select, "--yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           start_new_session=True, stdin=subprocess.DEVNULL)

    def writes_settings() -> bool:
        logs = [folder / "ansible.log" for folder in set(runs.iterdir()) - before]
        return any(log.exists() and "TASK [marathon : Write the settings" in log.read_text() for log in logs)

    eventually("the run writes Marathon's settings", 90, writes_settings)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    cluster.up()
    assert cluster.status()["healthy"]
    cluster.host("m1").run("ls /etc/chronos/args /etc/marathon/marathon.env")
    assert steps(cluster) == []


#: Java is large: its installation can be cut off in the middle, as by a host that loses its power.
CUT_OFF = """
java=$(dpkg -S "$(readlink -f "$(command -v java)")" | cut -d: -f1)
rm /var/lib/provisioner/applied/zookeeper.json
setsid apt-get -q -y install --reinstall "$java" >/dev/null 2>&1 &
for _ in $(seq 600); do
  if [ -n "$(dpkg --audit)" ]; then break; fi
  sleep 0.05
done
kill -9 -- -$!
sleep 1
dpkg --audit | grep "$java"
"""


def test_an_installation_that_was_cut_off_is_finished(cluster: ClusterUnderTest) -> None:
    cluster.host("m3").run(CUT_OFF)
    await_schedulers(cluster)
    assert steps(cluster) == ["ZooKeeper on m3"]
    cluster.host("m3").run('test -z "$(dpkg --audit)" && test -f /var/lib/provisioner/applied/zookeeper.json && java -version')
    assert cluster.status()["healthy"]
    assert steps(cluster) == []


def test_of_two_operators_exactly_one_proceeds(cluster: ClusterUnderTest) -> None:
    for _ in range(2):
        two_at_once(cluster)


@pytest.mark.usefixtures("by_mitogen")
def test_every_kind_of_harm_is_seen_and_mended(cluster: ClusterUnderTest) -> None:
    """One of each; `test_drift.py` does it a thousand times. By mitogen: asking for it is no change, and it mends as Ansible does."""
    assert steps(cluster) == []
    drifting = Drifting(cluster)
    chosen = drifting.one_of_each()
    assert {harm.kind for harm in chosen} == KINDS
    drifting.seen_and_mended(chosen)


@pytest.mark.usefixtures("by_mitogen")
def test_a_full_run_agrees_with_what_was_skipped(cluster: ClusterUnderTest) -> None:
    """On a master and an agent, so every role; `test_drift.py` does it on all hosts. By mitogen: without it every role was applied
    twice by the scenarios before."""
    assert steps(cluster) == []
    begin = time.monotonic()
    result = json.loads(cluster.run("up", "--yes", "--json", "--full", "--limit", "m1,a1").stdout.splitlines()[-1])
    assert (result["changed"], result["failed"]) == (0, 0)
    print(f"a full run by mitogen: {time.monotonic() - begin:.0f} s")
