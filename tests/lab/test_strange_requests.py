"""Ten thousand strange requests from outside: nobody is let in, nothing falls, and no secret is told to a log."""

from __future__ import annotations

import random
import re
import socket
import ssl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import pytest

from provisioner.context import Context
from provisioner.inventory.render import host_variables
from provisioner.state import secrets
from provisioner_lab.under_test import ClusterUnderTest

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]

REQUESTS, SEED, SECONDS = 10_000, 25, 3.0
#: Component → variable of its port, whether it speaks TLS, paths that it locks.
SERVERS = [
    ("mesos_master", "mesos_master_port", False, "/state /api/v1 /api/v1/scheduler /teardown /machine/down /flags /quota /weights"),
    ("mesos_agent", "mesos_agent_port", False, "/state /slave(1)/api/v1 /containers /files/browse /flags /monitor/statistics"),
    ("marathon", "marathon_port", False, "/v2/apps /v2/info /v2/leader /v2/tasks/delete /ping /metrics /v2/events /ui"),
    ("marathon", "marathon_https_port", True, "/v2/apps /v2/groups /v2/queue /v2/deployments"),
    ("chronos", "chronos_port", False, "/v1/scheduler/jobs /v1/scheduler/iso8601 /v1/scheduler/leader /logging /ping /metrics"),
    ("chronos", "chronos_https_port", True, "/v1/scheduler/jobs /scheduler/jobs"),
]
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "X" * 40]
LOGINS = ["", "Basic", "Basic ====", "Basic b3BlcmF0b3I6", "Basic b3BlcmF0b3I6cGFzc3dvcmQ=", "Basic Og==",
          "Bearer x.y.z", "Digest username=x", "Basic " + "QUFB" * 2000, "Basic b3BlcmF0b3I6AAA="]
BODIES = [b"", b"{}", b"[]", b'{"type":"GET_STATE"}', b'{"type":"TEARDOWN"}', b'{"id":"/x","cmd":"true"}', b"\x00" * 100, b"{" * 5000]


def request(chance: random.Random, paths: list[str]) -> bytes:
    """One request: mostly HTTP that a server may understand, sometimes none."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(1, 400))
    path = chance.choice(paths)
    if chance.random() < 0.5:
        path = chance.choice([
            f"//{path[1:]}", f"{path}/..{path}", f"/x/..{path}", f"{path}?{'a' * chance.randrange(3000)}", f"{path}%00", f"{path};x",
            f"/%2e%2e{path}", path.upper(), f"{path}/", f"http://127.0.0.1{path}", "/" + chance.randbytes(9).hex()])
    body = chance.choice(BODIES)
    lines = [f"{chance.choice(METHODS)} {path} HTTP/1.{chance.choice('019')}", f"Host: {chance.choice(['x', '', 'localhost', 'a' * 300])}",
             f"Content-Type: {chance.choice(['application/json', 'application/x-protobuf', 'text/plain', ''])}",
             f"Content-Length: {chance.choice([len(body), len(body), len(body), -1, 10**9])}", "Connection: close"]
    if login := chance.choice(LOGINS):
        lines.append(f"Authorization: {login}")
    if chance.random() < 0.1:
        lines.append("Libprocess-From: master@192.0.2.7:5050")
    if chance.random() < 0.1:
        lines.append("X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-User: operator")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answer(server: tuple[str, int, bool], sent: bytes) -> str:
    """The first line of what is answered; '' for nothing."""
    address, port, tls = server
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((address, port), SECONDS) as plain, (context.wrap_socket(plain) if tls else plain) as stream:
            stream.settimeout(SECONDS)
            stream.sendall(sent)
            return stream.recv(200).split(b"\r\n")[0].decode("utf-8", "replace")
    except OSError:
        return ""


def running(cluster: ClusterUnderTest) -> dict[str, str]:
    """The main process of every unit that was knocked at, by host and unit."""
    units = "mesos-master mesos-agent marathon chronos"
    return {host: cluster.host(host).run(f"systemctl show -p MainPID --value {units}") for host in ("m1", "m2", "m3", "a1", "a2")}


def test_nobody_is_let_in_nothing_falls_and_no_secret_is_logged(cluster: ClusterUnderTest) -> None:
    context = Context(cluster.inventory)
    values = {host.name: {**context.defaults, **host_variables(context.rendered, host.name)} for host in context.cluster.hosts}
    servers = [((host.cluster_address, int(values[host.name][variable]), tls), paths.split())
               for group, variable, tls, paths in SERVERS for host in context.cluster.members(group)]
    chance = random.Random(SEED)  # noqa: S311 - the same requests each time
    asked = [(server, request(chance, paths)) for (server, paths), _ in zip(cycle(servers), range(REQUESTS), strict=False)]
    before = running(cluster)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda one: answer(*one), asked))
    let_in = [(server, sent[:200], said) for (server, sent), said in zip(asked, answers, strict=True) if re.match(r"HTTP/1.. 2", said)]
    counts = Counter(said[:12] for said in answers)
    print(f"{len(answers)} requests: {dict(counts.most_common())}")
    assert let_in == []
    assert counts["HTTP/1.1 401"] > REQUESTS / 10, "they reach the servers"
    assert running(cluster) == before, "nothing was restarted"
    cluster.wait_healthy()
    known = secrets.load(context.cluster)
    logs = {host: cluster.host(host).run("journalctl -o cat --since=-1h --no-pager") for host in ("m1", "m2", "m3", "a1", "a2")}
    assert [(host, name) for host, text in logs.items() for name, value in known.items() if value in text] == []
