"""In a closed cluster only its hosts write lines: over TLS, with a certificate of its authority."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.support.checkout import eventually

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Converge = Callable[..., subprocess.CompletedProcess[str]]
FILES = "/var/log/logstash/cluster/*.log"
#: Sends one line to a collector; prints "sent" or why not. What TLS 1.3 thinks of the client it tells afterwards only.
SEND = """
import json, socket, ssl, sys
address, port, word, how = sys.argv[1:]
try:
    connection = socket.create_connection((address, int(port)), 10)
    if how != "plain":
        context = ssl.create_default_context(cafile="/etc/provisioner/tls/ca.pem")
        if how != "nothing":
            context.load_cert_chain(how + "/certificate.pem", how + "/key.pem")
        connection = context.wrap_socket(connection, server_hostname="logstash")
    connection.sendall(json.dumps({"message": word}).encode() + b"\\n")
    connection.settimeout(2)
    print("closed" if connection.recv(1) == b"" else "answered")
except socket.timeout:
    print("sent")
except (ssl.SSLError, ConnectionError) as error:
    print("refused", error)
"""
#: A certificate that an authority of somebody else's gave, for the same name.
FORGE = """
mkdir -p {folder} && cd {folder} && key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
openssl req -x509 $key -keyout ca.key -out ca.pem -subj /CN=authority -days 2
openssl req $key -keyout key.pem -out request.pem -subj /CN=logstash
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out certificate.pem
"""


def arrived(on: On, members: Members, word: str) -> int:
    """How many lines with this word the collectors have written."""
    return sum(int(on(host).run(f"cat {FILES} 2>/dev/null | grep -c {word}").stdout or 0) for host in members("logstash_server"))


@pytest.mark.parametrize(("how", "expected", "lines"), [
    ("/etc/provisioner/tls", "sent", 1), ("plain", "closed refused", 0), ("nothing", "refused closed", 0),
    ("/run/molecule-forged", "refused", 0),
])
def test_who_may_write_a_line(on: On, members: Members, variable: Callable[[str, str], Any], how: str, expected: str, lines: int) -> None:
    sender, word = next(iter(set(members("logstash")) - set(members("logstash_server")))), f"scenario-{uuid.uuid4().hex}"
    direct = f"{word}-direct"
    on(sender).check_output(FORGE.format(folder="/run/molecule-forged"))
    try:
        for collector, address in members("logstash_server").items():
            before = arrived(on, members, direct)
            port = str(variable(collector, "logstash_target")).rpartition(":")[2]
            said = on(sender).check_output("python3 -c %s %s %s %s %s", SEND, address, port, direct, how)
            assert said.split()[0] in expected, said
            if lines:
                def whole(goal: int = before + lines) -> bool:
                    return arrived(on, members, direct) == goal

                eventually("the line has arrived", 30, whole)
    finally:
        on(sender).run("rm -rf /run/molecule-forged")
    on(sender).check_output(f"logger {word}-after-end")
    eventually("a line of the host's own, sent later, has arrived", 60, lambda: arrived(on, members, f"{word}-after-end") == 1)
    time.sleep(1)
    assert arrived(on, members, direct) == lines * len(members("logstash_server"))


def test_nobody_listens_for_lines_in_clear(on: On, members: Members) -> None:
    for host, address in members("logstash_server").items():
        reached = on("mirror").run(f"python3 -c 'import socket; socket.create_connection((\"{address}\", 5140), 5)'")
        assert "ConnectionRefusedError" in reached.stderr, f"{host} {reached.stderr[-200:]}"


def test_its_key_is_for_itself(on: On, members: Members) -> None:
    for host in members("logstash_server"):
        assert on(host).check_output("stat -c '%U %a' /etc/logstash/tls/key.pem") == "logstash 600"


def test_a_collector_with_another_name_gets_nothing(on: On, members: Members) -> None:
    """Every host has a certificate of the same authority, and is no collector for that."""
    said = on(next(iter(members("logstash_server")))).check_output("cat /etc/rsyslog.d/10-provisioner-logstash.conf")
    assert 'StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="logstash"' in said
    for host in members("logstash"):
        names = on(host).check_output("openssl x509 -in /etc/provisioner/tls/certificate.pem -noout -subject -ext subjectAltName")
        assert "logstash" not in names


@pytest.fixture
def as_on_ubuntu(on: On, members: Members, converge: Converge) -> Iterator[str]:
    """A sender whose rsyslog is root only while it starts."""
    sender = next(iter(set(members("logstash")) - set(members("logstash_server"))))
    spools = "/var/spool/rsyslog /var/lib/rsyslog"
    on(sender).check_output(f"""cp -p /etc/rsyslog.conf /root/rsyslog.conf; useradd --system --groups adm scenario
        echo '$PrivDropToUser scenario' >>/etc/rsyslog.conf; chown scenario {spools} || true""")
    done = converge("logstash", sender)
    assert done.returncode == 0, done.stdout[-3000:]
    yield sender
    on(sender).check_output(f"""mv /root/rsyslog.conf /etc/rsyslog.conf; systemctl restart rsyslog
        chown -R root {spools} || true; userdel scenario""")
    done = converge("logstash", sender)
    assert done.returncode == 0, done.stdout[-3000:]
    assert not on(sender).file("/etc/rsyslog.d/provisioner-tls").exists


def test_an_rsyslog_that_is_not_root_reads_a_copy_of_the_key(as_on_ubuntu: str, on: On, members: Members) -> None:
    host, word = on(as_on_ubuntu), f"scenario-{uuid.uuid4().hex}"
    assert host.check_output("ps -o user= -C rsyslogd").strip() == "scenario"
    host.check_output(f"logger {word}-end")
    eventually("its line has arrived", 60, lambda: arrived(on, members, f"{word}-end") == 1)
    assert host.check_output("stat -c '%U %a' /etc/rsyslog.d/provisioner-tls/key.pem") == "scenario 600"
    assert host.check_output("stat -c '%U %a' /etc/provisioner/tls/key.pem") == "root 600"


def test_its_own_api_is_told_to_stay_on_loopback(on: On, members: Members) -> None:
    for host in members("logstash_server"):
        assert "api.http.host: 127.0.0.1" in on(host).check_output("cat /etc/logstash/logstash.yml").splitlines(), host
