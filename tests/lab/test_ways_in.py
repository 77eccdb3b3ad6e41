"""Real SSH and sudo on lab hosts: every way in that an inventory can describe, and every way in which it goes wrong."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UnreachableError, UsageError
from provisioner.hosts.host_keys import establish
from provisioner.hosts.known_hosts import KnownHosts
from provisioner.hosts.openssh import OpenSsh, SshError, Transport, fan_out, first_contact
from provisioner.hosts.paramiko import Paramiko
from provisioner.hosts.plain_login import plain_logins
from provisioner.observe.probe_client import ask
from provisioner_lab import work
from provisioner_lab.hosts import nodes
from provisioner_lab.testing import FakeTransport
from tests.lab.support.checkout import lab_name

pytestmark = pytest.mark.own_lab
LAB = lab_name("ways")
PASSWORD = "correct horse ' $battery"
OTHER_PORT = 2222
#: A payload that a careless `sudo -S` would read as passwords, with bytes that a careless shell would change.
PAYLOAD = b"first line\nsecond\x00line\r\n" + bytes(range(256)) * 4096

SETUP = f"""
set -e
useradd -m -s /bin/bash -G sudo deploy
useradd -m -s /bin/bash guest
printf '%s\\n' "deploy:$PASSWORD" "guest:$PASSWORD" | chpasswd
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/other_key
/usr/sbin/sshd -p {OTHER_PORT} -o HostKey=/etc/ssh/other_key -o PidFile=/run/other-sshd.pid -o PasswordAuthentication=yes
"""


@pytest.fixture(scope="module")
def home() -> Iterator[work.LabStatus]:
    """Two hosts; m1 has a second sshd that takes passwords, and the users deploy (sudo with a password) and guest (no sudo)."""
    with contextlib.suppress(UsageError):  # there is none, unless an earlier run was cut off
        work.down(LAB, say=print)
    status = work.up(LAB, masters=1, agents=1, say=print)
    on_host(status, "m1", SETUP, stdin=None, PASSWORD=PASSWORD)
    yield status
    work.down(LAB, say=print)


def on_host(status: work.LabStatus, host: str, script: str, stdin: bytes | None = None, **environment: str) -> str:
    words = [f"{name}={value}" for name, value in environment.items()]
    done = nodes.exec_in(status.lab, host, ["env", *words, "bash", "-c", script], stdin=stdin)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def cluster_of(status: work.LabStatus, folder: Path, variables: dict[str, object], names: tuple[str, ...] = ("m1",)) -> Cluster:
    """A cluster with a state folder of its own, so with no known host keys."""
    addresses = {node.name: node.address for node in status.nodes}
    port, user = int(str(variables.get("ansible_port", 22))), str(variables["ansible_user"])
    hosts = tuple(Host(name, addresses[name], port, user, variables=variables) for name in names)
    return Cluster("ways", folder / "inventory.yml", hosts)


def with_key(status: work.LabStatus) -> dict[str, object]:
    return {"ansible_user": "operator", "ansible_ssh_private_key_file": str(status.lab.key)}


def by_password(user: str = "deploy", password: str = PASSWORD) -> dict[str, object]:
    return {"ansible_user": user, "ansible_password": password, "ansible_port": OTHER_PORT}


def trusted(cluster: Cluster) -> tuple[OpenSsh, Host]:
    assert establish(cluster, say=print) == {}
    return OpenSsh(cluster), cluster.hosts[0]


def ways(cluster: Cluster) -> Iterator[tuple[Transport, Host]]:
    """By OpenSSH, and by paramiko with nobody to fall back on."""
    yield trusted(cluster)
    plain = plain_logins(cluster)
    assert plain == {host.name for host in cluster.hosts}
    yield Paramiko(cluster, plain, FakeTransport(dict.fromkeys(plain, AssertionError("left to ssh")))), cluster.hosts[0]


def refused(cluster: Cluster, *, become: bool = False) -> SshError:
    transport, host = trusted(cluster)
    with pytest.raises(SshError) as error:
        transport.run(host, "true", become=become)
    return error.value


def failed_logins(status: work.LabStatus, pattern: str) -> int:
    """How often the host's journal tells of a refused password."""
    return int(on_host(status, "m1", f"journalctl -o cat --no-pager | grep -c -- '{pattern}' || true"))


def test_a_payload_arrives_unchanged_as_root(home: work.LabStatus, tmp_path: Path) -> None:
    for transport, host in ways(cluster_of(home, tmp_path, with_key(home))):
        done = transport.run(host, "sha256sum; id -u", PAYLOAD, become=True)
        assert done.stdout.decode().split() == [hashlib.sha256(PAYLOAD).hexdigest(), "-", "0"]
        done = transport.run(host, "echo out; echo err >&2; exit 7", PAYLOAD)
        assert (done.code, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_password_login(home: work.LabStatus, tmp_path: Path) -> None:
    transport, host = trusted(cluster_of(home, tmp_path, by_password()))
    assert transport.run(host, "id -un").stdout == b"deploy\n"


def test_a_wrong_password_is_tried_once(home: work.LabStatus, tmp_path: Path) -> None:
    before = failed_logins(home, "Failed password for deploy")
    error = refused(cluster_of(home, tmp_path, by_password(password="wrong")))
    assert error.cause == "auth"
    assert "ansible_password" in error.hint
    assert failed_logins(home, "Failed password for deploy") == before + 1


def test_one_refusal_stops_before_the_other_hosts(home: work.LabStatus, tmp_path: Path) -> None:
    cluster = cluster_of(home, tmp_path, {**with_key(home), "ansible_user": "nobody-knows"}, ("m1", "a1"))
    establish(cluster, say=print)
    with pytest.raises(SshError, match="refused the login of nobody-knows") as error:
        first_contact(cluster, cluster.hosts, OpenSsh(cluster))
    assert "1 more host" in error.value.hint
    refusals = [on_host(home, name, "journalctl -o cat --no-pager | grep -c 'nobody-knows' || true").strip() for name in ("m1", "a1")]
    assert refusals.count("0") == 1, "the second host was not asked"


def test_sudo_with_a_password_leaves_the_payload_alone(home: work.LabStatus, tmp_path: Path) -> None:
    transport, host = trusted(cluster_of(home, tmp_path, {**by_password(), "ansible_become_password": PASSWORD}))
    for _ in range(2):  # the second time sudo may remember, and must not leave the password to the command
        done = transport.run(host, "sha256sum; id -u", PAYLOAD, become=True)
        assert done.stdout.decode().split() == [hashlib.sha256(PAYLOAD).hexdigest(), "-", "0"]
    assert transport.run(host, "exit 9", become=True).code == 9


def test_sudo_that_needs_no_password_does_not_leak_it_into_the_payload(home: work.LabStatus, tmp_path: Path) -> None:
    transport, host = trusted(cluster_of(home, tmp_path, {**with_key(home), "ansible_become_password": "not needed"}))
    assert transport.run(host, "cat", PAYLOAD, become=True).stdout == PAYLOAD


def test_a_wrong_sudo_password_is_tried_once(home: work.LabStatus, tmp_path: Path) -> None:
    on_host(home, "m1", "rm -rf /run/sudo/ts/deploy")
    before = failed_logins(home, "sudo:auth): authentication failure.*user=deploy")
    error = refused(cluster_of(home, tmp_path, {**by_password(), "ansible_become_password": "wrong"}), become=True)
    assert (error.cause, "refused the password of deploy" in error.message) == ("sudo", True)
    assert failed_logins(home, "sudo:auth): authentication failure.*user=deploy") == before + 1


def test_sudo_that_asks_and_gets_nothing(home: work.LabStatus, tmp_path: Path) -> None:
    on_host(home, "m1", "rm -rf /run/sudo/ts/deploy")
    error = refused(cluster_of(home, tmp_path, by_password()), become=True)
    assert (error.cause, error.message) == ("sudo", "sudo asks deploy for a password")
    assert "ansible_become_password" in error.hint


def test_a_user_without_sudo(home: work.LabStatus, tmp_path: Path) -> None:
    error = refused(cluster_of(home, tmp_path, {**by_password("guest"), "ansible_become_password": PASSWORD}), become=True)
    assert (error.cause, error.message) == ("sudo", "guest may not use sudo")


def test_no_password_is_ever_in_an_argument_list_or_a_file(home: work.LabStatus, tmp_path: Path) -> None:
    transport, host = trusted(cluster_of(home, tmp_path, {**by_password(), "ansible_become_password": PASSWORD}))
    running = threading.Thread(target=transport.run, args=(host, "sleep 2"), kwargs={"become": True})
    running.start()
    seen = b""
    while running.is_alive():
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen += path.read_bytes()
            except OSError:
                continue  # the process ended
        seen += on_host(home, "m1", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; true").encode()
    assert b"ssh" in seen
    assert PASSWORD.encode() not in seen
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "inventory.yml"]
    assert all(PASSWORD.encode() not in p.read_bytes() for p in files)


def test_first_contact_shows_and_records_the_key(home: work.LabStatus, tmp_path: Path) -> None:
    said: list[str] = []
    cluster = cluster_of(home, tmp_path, with_key(home), ("m1", "a1"))
    with pytest.raises(UnreachableError, match="host keys of m1, a1 are not known"):
        establish(cluster, say=said.append, strict=True)
    assert establish(cluster, say=said.append) == {}
    shown = on_host(home, "m1", "ssh-keygen -l -f /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert [line for line in said if line.startswith("m1:")] == [f"m1: new host key {shown} (ssh-ed25519), trusted from now on"]
    file = KnownHosts.of(cluster).path
    assert file.stat().st_mode & 0o777 == 0o600
    assert establish(cluster, say=said.append, strict=True) == {}
    assert len(said) == 2, "the second time nothing is new"


def test_an_untrusted_host_gets_nothing(home: work.LabStatus, tmp_path: Path) -> None:
    cluster = cluster_of(home, tmp_path, with_key(home))
    with pytest.raises(SshError) as error:
        OpenSsh(cluster).run(cluster.hosts[0], "true")
    assert error.value.cause == "host-key-unknown"


def test_a_changed_key_is_refused_with_both_fingerprints(home: work.LabStatus, tmp_path: Path) -> None:
    cluster = cluster_of(home, tmp_path, by_password())
    transport, host = trusted(cluster)
    transport.run(host, "true")
    old = on_host(home, "m1", "ssh-keygen -l -f /etc/ssh/other_key.pub").split()[1]
    on_host(home, "m1", f"""kill $(cat /run/other-sshd.pid); pkill -u deploy sshd; rm /etc/ssh/other_key*
        ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/other_key
        /usr/sbin/sshd -p {OTHER_PORT} -o HostKey=/etc/ssh/other_key -o PidFile=/run/other-sshd.pid -o PasswordAuthentication=yes""")
    new = on_host(home, "m1", "ssh-keygen -l -f /etc/ssh/other_key.pub").split()[1]
    with pytest.raises(SshError) as error:
        transport.run(host, "true")
    assert error.value.cause == "host-key-changed"
    assert old in error.value.message
    assert new in error.value.message
    forget = error.value.hint.split("old key: ")[1].split(";")[0]
    subprocess.run(["sh", "-c", forget], check=True, capture_output=True)
    assert establish(cluster, say=print) == {}
    assert transport.run(host, "true").code == 0


def test_through_a_jump_host(home: work.LabStatus, tmp_path: Path) -> None:
    jump = next(node.address for node in home.nodes if node.name == "m1")
    config = tmp_path / "ssh_config"
    config.write_text(f"Host {jump}\n  User operator\n  IdentityFile {home.lab.key}\n  StrictHostKeyChecking accept-new\n"
                      f"  UserKnownHostsFile {tmp_path}/jump_hosts\n")
    cluster = cluster_of(home, tmp_path, {**with_key(home), "ansible_ssh_common_args": f"-F {config} -J {jump}"}, ("a1",))
    transport, host = trusted(cluster)
    came_from = transport.run(host, "echo $SSH_CONNECTION").stdout.decode().split()[0]
    assert came_from == jump


def test_what_does_not_answer_is_named(home: work.LabStatus, tmp_path: Path) -> None:
    cluster = cluster_of(home, tmp_path, with_key(home))
    address = cluster.hosts[0].address
    away = address.rsplit(".", 1)[0] + ".250"
    hosts = [Host("closed", address, 2), Host("away", away, 22), Host("nameless", "no-such-host.invalid", 22)]
    said = fan_out(hosts, lambda host: OpenSsh(cluster).run(host, "true"))
    causes = {name: error.cause for name, error in said.items() if isinstance(error, SshError)}
    assert causes == {"closed": "refused", "away": "route", "nameless": "name"}
    scanned = establish(Cluster("ways", cluster.path, tuple(hosts)), say=print)
    assert {name: error.cause for name, error in scanned.items() if isinstance(error, SshError)} == causes


def test_a_command_that_hangs_is_given_up(home: work.LabStatus, tmp_path: Path) -> None:
    for transport, host in ways(cluster_of(home, tmp_path, with_key(home))):
        began = time.monotonic()
        with pytest.raises(SshError, match="no end of the command within 1 s"):
            transport.run(host, "sleep 60", timeout=1)
        assert time.monotonic() - began < 10


def test_a_host_that_never_stops_talking_is_cut_off(home: work.LabStatus, tmp_path: Path) -> None:
    for transport, host in ways(cluster_of(home, tmp_path, with_key(home))):
        with pytest.raises(SshError, match="more than 8 MiB"):
            transport.run(host, "cat /dev/zero")


def test_what_paramiko_cannot_do_is_left_to_ssh(home: work.LabStatus, tmp_path: Path) -> None:
    """A refused key, a host key that is not the recorded one, and a login that is not plain."""
    cluster = cluster_of(home, tmp_path, {**with_key(home), "ansible_user": "nobody-knows"}, ("m1", "a1"))
    transport, host = trusted(cluster)
    with pytest.raises(SshError, match="refused the login of nobody-knows"):
        Paramiko(cluster, plain_logins(cluster), transport).run(host, "true")
    known, (m1, a1) = KnownHosts.of(cluster).path, (f"{each.address} " for each in cluster.hosts)
    known.write_text(known.read_text().replace(m1, "x ").replace(a1, m1))
    with pytest.raises(SshError) as error:
        Paramiko(cluster, plain_logins(cluster), transport).run(host, "true")
    assert error.value.cause == "host-key-changed"
    by_jump = cluster_of(home, tmp_path, {**with_key(home), "ansible_ssh_common_args": "-J nowhere"})
    assert plain_logins(by_jump) == frozenset()


def test_a_host_without_python_is_named(home: work.LabStatus, tmp_path: Path) -> None:
    transport, host = trusted(cluster_of(home, tmp_path, {**with_key(home), "ansible_python_interpreter": "/usr/bin/python4"}))
    with pytest.raises(SshError) as error:
        ask(transport, host, {"sections": ["facts"]})
    assert error.value.cause == "python"


def test_the_shared_connection_is_private_and_reused(home: work.LabStatus, tmp_path: Path) -> None:
    cluster = cluster_of(home, tmp_path, with_key(home))
    transport, host = trusted(cluster)
    first = transport.run(host, "echo $SSH_CONNECTION").stdout
    assert transport.run(host, "echo $SSH_CONNECTION").stdout == first, "the same TCP connection"
    from provisioner.hosts.login import control_dir

    folder = control_dir(cluster)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.stat().st_uid == os.geteuid()
    assert len(list(folder.iterdir())) == 1
