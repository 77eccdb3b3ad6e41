"""Operators at their worst: two at once, and one who is killed in the middle. Used a little by `rerun`, at length by `chaos`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.inventory.load import load
from tests.lab.support.checkout import HOME, PROVISION, ClusterUnderTest, eventually
from tests.lab.support.drift import Drifting

#: Something to do for several components on several hosts, a member of each quorum among them.
DAMAGE = {
    "m1": "rm -f /etc/chronos/args /etc/marathon/marathon.env",
    "m2": "echo '# mine' >>/etc/zookeeper/provisioner/zoo.cfg",
    "m3": "rm -f /var/lib/provisioner/applied/mesos_master.json; echo '# mine' >>/etc/mesos/master.env",
    "a1": "systemctl stop registrator; rm -f /etc/rsyslog.d/10-provisioner-logstash.conf",
    "a2": "chmod 666 /etc/docker/daemon.json; systemctl disable --quiet mesos-agent",
}
#: What a host is at the end: what its files hold and may, what runs and starts at boot, which roles are noted as applied.
STATE = """
cd /etc && find zookeeper/provisioner mesos marathon chronos consul.d docker logstash rsyslog.d systemd/system dnsmasq.d \
    -type f ! -name '*.part' 2>/dev/null | LC_ALL=C sort | while read -r file; do
  echo "$(stat -c '%a %U' "$file") $(sha256sum "$file")"
done
for unit in docker consul dnsmasq zookeeper mesos-master mesos-agent marathon chronos registrator logstash rsyslog; do
  echo "$unit $(systemctl is-active $unit) $(systemctl is-enabled $unit 2>/dev/null)"
done
ls /var/lib/provisioner/applied
"""


def state(cluster: ClusterUnderTest) -> dict[str, str]:
    """What each host of the usual lab is, to be compared with what it was."""
    return {host: cluster.host(host).run(STATE) for host in DAMAGE}


def two_at_once(cluster: ClusterUnderTest) -> None:
    """Two runs start at the same instant: one proceeds, the other ends with the name of the first and touches nothing.

    They have something to do: a run with nothing to do could be over before a busy machine has started the other.
    """
    command = [PROVISION, "up", *cluster.select, "--yes", "--full", "--only", "repos"]
    both = [subprocess.Popen(command, cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)]
    said = [run.communicate(timeout=300)[0] for run in both]
    assert sorted(run.returncode for run in both) == [0, 6], said
    assert any("somebody else is changing this cluster" in text for text in said), said


def killed_after(cluster: ClusterUnderTest, hosts: Sequence[str], seconds: float) -> bool:
    """Damage to these hosts, a run that is killed (the driver alone) after so long, and another run: all is as before the damage.

    False when the run that was to be killed had ended by then.
    """
    before = state(cluster)
    runs = load(cluster.inventory).state_dir / "runs"
    known = set(runs.iterdir())
    for host in hosts:
        cluster.host(host).run(DAMAGE[host])
    run = subprocess.Popen([PROVISION, "up", *cluster.select, "--yes"], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        run.wait(seconds)
        in_time = False
    except subprocess.TimeoutExpired:
        in_time = True
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    _ended(set(runs.iterdir()) - known)
    cluster.up()
    when = f"{', '.join(hosts)} damaged, killed after {seconds:.1f} s"
    assert cluster.status()["healthy"], when
    after = state(cluster)
    assert after == before, f"{when}: {[host for host in after if after[host] != before[host]]} differ"
    assert cluster.up()["changed"] == 0, when
    return in_time


def killed_at_task(cluster: ClusterUnderTest, drifting: Drifting, number: int) -> bool:
    """ZooKeeper's settings are lost on m2, and the run that brings them back is killed when its role begins with its nth task there.

    The next plan goes on with that host unless it is all right already, and a run makes it so. False when the role has fewer tasks.
    """
    before = drifting.look()
    cluster.host("m2").run("rm -r /etc/zookeeper/provisioner")
    runs = load(cluster.inventory).state_dir / "runs"
    known = set(runs.iterdir())
    run = subprocess.Popen([PROVISION, "up", *cluster.select, "--yes"], cwd=HOME, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, start_new_session=True)
    while run.poll() is None and _tasks(set(runs.iterdir()) - known) < number:
        time.sleep(0.02)
    in_time = run.poll() is None
    run.kill()
    run.wait()
    _ended(set(runs.iterdir()) - known)
    left, planned = drifting.look(), drifting.planned()
    assert left == before or ("m2", "zookeeper") in planned, f"skipped, though killed at task {number}"
    cluster.up()
    assert drifting.look() == before, f"killed at task {number}"
    return in_time


def _tasks(folders: set[Path]) -> int:
    """How many tasks of role zookeeper have begun in these runs."""
    logs = [log for folder in folders for log in folder.glob("ansible*.log")]
    return sum(log.read_text(errors="replace").count("TASK [zookeeper : ") for log in logs)


def _ended(runs: set[Path]) -> None:
    folders = {str(folder) for folder in runs}
    eventually("Ansible has ended with the driver", 15, lambda: not any(folder in line for folder in folders for line in _commands()))


def _commands() -> list[str]:
    """The command line of every process on this machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue  # it ended
    return found
