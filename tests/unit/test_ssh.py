"""Running commands on hosts: bounds, what every failure is called, and many hosts at once."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import UnreachableError, UsageError
from provisioner.hosts.failures import become_failure, changed_key, printable, ssh_failure
from provisioner.hosts.host_keys import establish
from provisioner.hosts.known_hosts import record
from provisioner.hosts.login import Login, login
from provisioner.hosts.openssh import OpenSsh, SshError, fan_out, first_contact
from provisioner.hosts.paramiko import Paramiko
from provisioner.hosts.process import DeadlineError, OutputTooLargeError, kill_all, run_bounded
from provisioner_lab.testing import FakeTransport, said
from tests.unit.builders import reachable
from tests.unit.ssh_servers import SshServer

HOST = Host("m1", "10.0.0.1", 22, "deploy")


def login_of() -> Login:
    return login(HOST)


@pytest.mark.parametrize(("stderr", "cause", "words"), [
    ("ssh: Could not resolve hostname nope: Name or service not known", "name", "can't be resolved"),
    ("ssh: connect to host 10.0.0.1 port 22: Connection refused", "refused", "nothing listens on port 22"),
    ("ssh: connect to host 10.0.0.1 port 22: Connection timed out", "timeout", "does not answer"),
    ("ssh: connect to host 10.0.0.1 port 22: No route to host", "route", "No route to host"),
    ("deploy@10.0.0.1: Permission denied (publickey,password).", "auth", "refused the login of deploy"),
    ("Received disconnect from 10.0.0.1: Too many authentication failures", "auth", "refused all keys"),
    ("No ED25519 host key is known for 10.0.0.1\nHost key verification failed.", "host-key-unknown", "is not known"),
    ("kex_exchange_identification: Connection closed by remote host", "closed", "was closed"),
    ("Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-dss", "algorithm", "ssh-dss"),
    ("@ WARNING: UNPROTECTED PRIVATE KEY FILE! @\nPermission denied (publickey).", "key-file", "read by others"),
    ('Load key "/k": invalid format\ndeploy@10.0.0.1: Permission denied (publickey).', "key-file", "invalid format"),
    ("/root/.ssh/config: line 3: Bad configuration option: foo", "configuration", "does not take"),
    ('"System is booting up. Unprivileged users are not permitted to log in yet."', "auth", "lets nobody in"),
    ("mux_client_request_session: read from master failed: Broken pipe\r\nConnection timed out during banner exchange", "timeout",
     "does not answer"),
    ("something new", "other", "something new"),
])
def test_what_ssh_says_has_a_cause(tmp_path: Path, stderr: str, cause: str, words: str) -> None:
    error = ssh_failure(HOST, login_of(), stderr.encode())
    assert error.cause == cause
    assert words in error.message
    assert error.hint
    assert error.where == "m1 (10.0.0.1)"


@pytest.mark.parametrize(("stderr", "words"), [
    ("deploy is not in the sudoers file.", "may not use sudo"),
    ("sudo: sorry, you must have a tty to run sudo", "wants a terminal"),
    ("sh: 1: exec: sudo: not found", "not installed"),
    ("sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set", "does not work"),
])
def test_what_sudo_says_has_a_cause(tmp_path: Path, stderr: str, words: str) -> None:
    error = become_failure(HOST, login_of(), stderr.encode())
    assert error and words in error.message


@pytest.mark.parametrize("stderr", ["sudo: unable to resolve host m1: Name or service not known\nls: no such file", "", "E: failed"])
def test_a_command_that_failed_is_not_blamed_on_sudo(tmp_path: Path, stderr: str) -> None:
    assert become_failure(HOST, login_of(), stderr.encode()) is None


CHANGED = b"""@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
The fingerprint for the ED25519 key sent by the remote host is\r
SHA256:xLuygHBZjBlDlrQLngcr1wQqYcZqOqL106qDcfdIZco.\r
Please contact your system administrator.\r
Host key verification failed.\r
"""


def test_a_changed_key_names_what_was_sent() -> None:
    assert changed_key(CHANGED) == "SHA256:xLuygHBZjBlDlrQLngcr1wQqYcZqOqL106qDcfdIZco"
    assert changed_key(b"Host key verification failed.") == ""


def test_a_host_cannot_draw_on_the_terminal() -> None:
    assert printable(b"a\x1b[0;31mred\x1b[2J\x07\r\nb\tc\xff") == "ared\ufffd[2J\ufffd\nb    c\ufffd"


FAKE_SSH = """#!/bin/sh
for last; do :; done
eval "$last"
"""


@pytest.fixture
def local_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenSsh:
    """An `ssh` that runs the command here."""
    (tmp_path / "ssh").write_text(FAKE_SSH)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return OpenSsh(reachable(tmp_path, "m1"))


def test_a_command_ends_with_its_own_code_and_output(local_ssh: OpenSsh) -> None:
    done = local_ssh.run(HOST, "cat; echo err >&2; exit 4", b"\x00in" * 100_000)
    assert (done.code, done.stdout, done.stderr) == (4, b"\x00in" * 100_000, b"err\n")
    assert local_ssh.run(HOST, "exit 255").code == 255, "without a word from ssh it is the command's"
    with pytest.raises(SshError):
        local_ssh.run(HOST, "echo 'ssh: something' >&2; exit 255")


def test_lines_come_as_they_are_printed(local_ssh: OpenSsh) -> None:
    lines: list[tuple[bytes, float]] = []
    began = time.monotonic()
    done = local_ssh.run(HOST, "echo one; sleep 0.5; printf two; exit 1", line=lambda text: lines.append((text, time.monotonic() - began)))
    assert [text for text, _ in lines] == [b"one", b"two"]
    assert lines[0][1] < 0.4
    assert (done.code, done.stdout) == (1, b"")


def test_a_background_process_that_keeps_the_pipe_does_not_hold_us_up(local_ssh: OpenSsh) -> None:
    began = time.monotonic()
    assert local_ssh.run(HOST, "sleep 20 & echo done").stdout == b"done\n"
    assert time.monotonic() - began < 5


def test_bounds_of_a_child(tmp_path: Path) -> None:
    with pytest.raises(DeadlineError):
        run_bounded(["sleep", "30"], b"", os.environ, timeout=0.2, limit=10)
    with pytest.raises(OutputTooLargeError):
        run_bounded(["cat", "/dev/zero"], b"", os.environ, timeout=10, limit=1000)
    assert run_bounded(["true"], b"unread" * 100_000, os.environ, timeout=10, limit=10) == (0, b"", b"")


def test_children_can_be_ended_from_another_thread() -> None:
    timer = threading.Timer(0.3, kill_all)
    timer.start()
    assert run_bounded(["sleep", "30"], b"", os.environ, timeout=20, limit=10)[0] == -9


def test_a_missing_ssh_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="ssh can't be started"):
        OpenSsh(reachable(tmp_path, "m1")).run(HOST, "true")


def test_fan_out_gives_an_answer_or_an_error_per_host(tmp_path: Path) -> None:
    of = reachable(tmp_path, *(f"h{n}" for n in range(50)))
    transport = FakeTransport({"h7": UnreachableError("gone")})
    answers = fan_out(of.hosts, lambda host: transport.run(host, "true").code, limit=8)
    assert list(answers) == [h.name for h in of.hosts]
    assert isinstance(answers.pop("h7"), UnreachableError)
    assert set(answers.values()) == {0}
    assert fan_out([], lambda host: 1) == {}


def test_fan_out_passes_defects_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fan_out(reachable(tmp_path, "a", "b").hosts, lambda host: 1 // 0)


def test_a_few_that_hang_are_given_up_once_the_others_have_answered(tmp_path: Path) -> None:
    def one(host: Host) -> int:
        return run_bounded(["sleep", "20" if host.name == "h3" else "0"], b"", os.environ, timeout=20, limit=10)[0]

    hosts = reachable(tmp_path, *(f"h{n}" for n in range(6))).hosts
    answers = fan_out(hosts, one, patience=2)
    assert str(answers.pop("h3")).startswith("h3: no answer 2 s after the others")
    assert answers == dict.fromkeys((h.name for h in hosts if h.name != "h3"), 0)


def test_where_all_are_slow_all_are_waited_for(tmp_path: Path) -> None:
    def one(host: Host) -> int:
        return run_bounded(["sleep", "0.5"], b"", os.environ, timeout=20, limit=10)[0]

    assert set(fan_out(reachable(tmp_path, "a", "b", "c").hosts, one, patience=0.1).values()) == {0}


def refusing(cause: str) -> SshError:
    return SshError(cause, cause, hint="look")  # type: ignore[arg-type]


def test_one_refusal_stops_everything(tmp_path: Path) -> None:
    of = reachable(tmp_path, *(f"h{n}" for n in range(10)))
    transport = FakeTransport(dict.fromkeys((h.name for h in of.hosts), refusing("auth")))
    with pytest.raises(SshError, match="9 more hosts with this login were not tried"):
        first_contact(of, of.hosts, transport)
    assert [call.host for call in transport.calls] == ["h0"]


def test_hosts_that_are_down_say_nothing_about_the_login(tmp_path: Path) -> None:
    of = reachable(tmp_path, *(f"h{n}" for n in range(10)))
    down = {f"h{n}": refusing("timeout") for n in range(4)}
    transport = FakeTransport({**down, "h4": said()})
    assert set(first_contact(of, of.hosts, transport)) == {"h0", "h1", "h2", "h3"}
    assert [call.host for call in transport.calls[:1]] == ["h0"]
    assert len(transport.calls) == 7, "one, two, four"


def test_every_login_is_tried_by_itself(tmp_path: Path) -> None:
    of = reachable(tmp_path, "a", "b", "c")
    hosts = (of.hosts[0], replace(of.hosts[1], user="other"), of.hosts[2])
    transport = FakeTransport()
    assert first_contact(Cluster("x", of.path, hosts), hosts, transport) == {}
    assert [call.host for call in transport.calls] == ["a", "b"]


@pytest.mark.parametrize(("retries", "reached"), [(2, True), (0, False)])
def test_a_connection_that_does_not_come_about_is_tried_as_often_as_the_inventory_says(tmp_path: Path, retries: int, reached: bool) -> None:
    server = SshServer()
    host = Host("m1", "127.0.0.1", server.port, "deploy", variables={"ansible_ssh_retries": retries})
    of = Cluster("test", tmp_path / "inventory.yml", (host,))
    record(of, [f"[127.0.0.1]:{server.port} {server.key.get_name()} {server.key.get_base64()}"])
    timer = threading.Timer(0.5, server.start)
    timer.start()
    try:
        if reached:
            assert OpenSsh(of).run(host, "true").code == 0
        else:
            with pytest.raises(SshError, match="nothing listens"):
                OpenSsh(of).run(host, "true")
    finally:
        timer.join()
        server.stop()


def test_what_broke_off_while_it_ran_is_not_run_again(tmp_path: Path) -> None:
    server = SshServer(breaks=True).start()
    host = Host("m1", "127.0.0.1", server.port, "deploy", variables={"ansible_ssh_retries": 2})
    of = Cluster("test", tmp_path / "inventory.yml", (host,))
    record(of, [f"[127.0.0.1]:{server.port} {server.key.get_name()} {server.key.get_base64()}"])
    try:
        assert OpenSsh(of).run(host, "true").code != 0
        assert server.logins == 1
    finally:
        server.stop()


def test_another_program_than_ssh_is_started_and_named_when_it_can_not_be(tmp_path: Path) -> None:
    (tmp_path / "wrapper").write_text("#!/bin/sh\necho by the wrapper\n")
    (tmp_path / "wrapper").chmod(0o755)
    of = reachable(tmp_path, "m1", variables={"ansible_ssh_executable": str(tmp_path / "wrapper")})
    assert OpenSsh(of).run(of.hosts[0], "true").stdout == b"by the wrapper\n"
    (tmp_path / "wrapper").unlink()
    with pytest.raises(UsageError, match="wrapper can't be started: No such file") as error:
        OpenSsh(of).run(of.hosts[0], "true")
    assert error.value.hint == "look at ansible_ssh_executable"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_host_is_reached_by_ipv6_by_ssh_and_by_paramiko(tmp_path: Path) -> None:
    server = SshServer(address="::1").start()
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    host = Host("m1", "::1", server.port, "deploy", variables={"ansible_ssh_private_key_file": str(key)})
    of = Cluster("test", tmp_path / "inventory.yml", (host,))
    try:
        assert establish(of, say=print) == {}
        assert OpenSsh(of).run(host, "true").code == 0
        assert Paramiko(of, {"m1"}, FakeTransport({"m1": AssertionError("ssh was asked")})).run(host, "true").code == 0
    finally:
        server.stop()
