"""The audit: doors against real servers on this machine, who tries what, and what the answers mean."""

from __future__ import annotations

import base64
import http.server
import json
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.plugin_utils.authority import Authority

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.components.door import GOSSIP, JSON, PLACES, STRANGER, Door, Knock, Login, Place, door_of, get, messages, of, post
from provisioner.components.model import Port
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import UnreachableError
from provisioner.hosts.known_hosts import record
from provisioner.hosts.login import login
from provisioner.hosts.openssh import Completed
from provisioner.inventory.schema import load_schema
from provisioner.observe.audit.auditor import Auditor, digests, untried, words_of
from provisioner.observe.audit.kept import keep, last
from provisioner.observe.audit.report import Finding, Report, Row, judged
from provisioner.observe.audit.visits import Target, Visit, request, targets, visits
from provisioner.probe import look
from provisioner.probe.knocking import knock_at
from provisioner.state import ledger, secrets
from provisioner.state.authority import make_authority
from provisioner.verbs import audit
from provisioner_lab.testing import Call, FakeTransport, said
from tests.lab.support.unlocked import UNLOCKED
from tests.unit.builders import agents, cluster, masters

#: Seconds that a server which says nothing is waited for.
PATIENCE = 0.8
SECRET = "0123456789abcdef" * 3
RIGHT = "Basic " + base64.b64encode(f"operator:{SECRET}".encode()).decode()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.probe.knocking.SECONDS", PATIENCE)
    monkeypatch.setattr("provisioner.probe.knocking.PAUSE", 0.0)


def target(port: int, *knocks: Knock, protocol: Any = "tcp", reach: Any = "operators", door: Door | None = None,
           login: str = "password") -> Target:
    """A door on this machine, with an operator's password."""
    return Target(Host("m1", "127.0.0.1"), COMPONENTS[0], "Door", port, protocol, "", reach, door or Door(knocks=knocks), knocks,
                  (Login("operator", login, "everything"),))


def tried(one: Target, ca: str = "") -> dict[tuple[str, str], str]:
    """What came of each thing that was tried: (knock, with what) → kind."""
    door = request(7, one, "127.0.0.1", {"vault_password": SECRET}, ca)
    return {(one.knocks[number].title if number >= 0 else "", key): kind for _, number, key, kind, _ in knock_at([door])}


@contextmanager
def serving(handle: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that handles one connection after the other."""
    listening = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def one(raw: socket.socket) -> None:
        try:
            with (context.wrap_socket(raw, server_side=True) if context else raw) as stream:
                handle(stream)
        except (OSError, struct.error):  # the other side has gone
            raw.close()

    def work() -> None:
        while not over.is_set():
            try:
                raw, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(raw,), daemon=True).start()

    threading.Thread(target=work, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        listening.close()


class Locked(http.server.BaseHTTPRequestHandler):
    """Wants a password for everything but /health."""

    def do_GET(self) -> None:
        """As every request is answered."""
        right = self.headers.get("Authorization") == RIGHT or self.path == "/health"
        self.send_response(200 if right else 401)
        self.end_headers()
        self.wfile.write(f"user=operator password={SECRET}".encode() if right else b"")

    do_POST = do_GET  # noqa: N815 - its base class calls it so

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@contextmanager
def web(handler: type[http.server.BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server_tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS with a certificate for this machine, and the authority that signed it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, authority = make_authority("demo")
    own = ec.generate_private_key(ec.SECP256R1())
    asked = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(own, hashes.SHA256())
    made = Authority(authority, key).sign(asked.public_bytes(serialization.Encoding.PEM).decode(), "m1", ["127.0.0.1"], 20)
    (tmp_path / "both.pem").write_bytes(made.encode() + own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context, authority


# --- knocking -----------------------------------------------------------------------------------------------------------


def test_a_locked_server_is_told_from_an_open_one() -> None:
    with web(Locked) as port:
        assert tried(target(port, get("/state"), post("/api", "{}", headers=JSON))) == {
            ("GET /state", "nothing"): "refused", ("GET /state", "wrong"): "refused", ("GET /state", "operator's"): "open",
            ("POST /api", "nothing"): "refused", ("POST /api", "wrong"): "refused"}
        assert tried(target(port, get("/health")))[("GET /health", "nothing")] == "open"


def test_a_server_behind_tls_is_told_the_right_password_only_when_the_authority_signed_for_it(
        server_tls: tuple[ssl.SSLContext, str]) -> None:
    context, authority = server_tls
    with web(Locked, context) as port:
        known = tried(target(port, get("/state")), authority)
        assert known == {("GET /state", "nothing"): "refused", ("GET /state", "wrong"): "refused", ("GET /state", "operator's"): "open"}
        stranger = tried(target(port, get("/state")), make_authority("other")[1])
        assert stranger[("GET /state", "operator's")] == "refused"


@pytest.mark.parametrize(("answer", "kind"), [(b"HTTP/1.1 200 OK\r\n\r\n{}", "refused"), (b'HTTP/1.1 200 OK\r\n\r\n{"a": []}', "open"),
                                              (b"HTTP/1.1 422 No\r\n\r\n", "open"), (b"HTTP/1.1 404 No\r\n\r\n", "refused"),
                                              (b"HTTP/1.1 307 Go\r\nLocation: //x\r\n\r\n", "refused"),
                                              (b"HTTP/1.1 302 Go\r\nLocation: //x\r\n\r\n", "open"),
                                              (b"", "refused")])
def test_what_an_answer_means(answer: bytes, kind: str) -> None:
    def handle(stream: socket.socket) -> None:
        stream.recv(1000)
        stream.sendall(answer)

    with serving(handle) as port:
        assert tried(target(port, get("/x", empty=("{}",), admits=(302,)), login="none"))[("GET /x", "nothing")] == kind


def test_a_message_says_where_it_comes_from() -> None:
    seen: list[bytes] = []

    def handle(stream: socket.socket) -> None:
        seen.append(stream.recv(1000))
        stream.sendall(b"HTTP/1.1 202 Accepted\r\n\r\n" if b"@127.0.0.1:" in seen[-1] else b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(handle) as port:
        assert tried(target(port, *messages("master"))) == {
            ("a message in another's name", "nothing"): "refused", ("a message in another's name", "wrong"): "refused",
            ("a message", "nothing"): "open"}
    assert all(one.startswith(b"POST /master/mesos.internal.") for one in seen if one)


def test_tls_that_wants_a_certificate_is_told_from_tls_and_from_none(server_tls: tuple[ssl.SSLContext, str], tmp_path: Path) -> None:
    context, authority = server_tls

    def wait(stream: socket.socket) -> None:
        stream.recv(1000)
        time.sleep(2)

    title = STRANGER.title
    with serving(wait) as port:
        assert tried(target(port, STRANGER)) == {(title, "nothing"): "open"}, "it takes lines in clear"
    with serving(wait, context) as port:
        assert tried(target(port, STRANGER)) == {(title, "nothing"): "open"}, "anybody may speak TLS"
        assert tried(target(port, Knock("x", "tls", tls_is_enough=True))) == {("x", "nothing"): "refused"}
    (tmp_path / "ca.pem").write_text(authority)
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(wait, context) as port:
        assert tried(target(port, STRANGER)) == {(title, "nothing"): "refused"}
    busy = iter((True, False))

    def slow(stream: socket.socket) -> None:
        if next(busy, False):
            wait(stream)
        context.wrap_socket(stream, server_side=True)

    with serving(slow) as port:
        assert tried(target(port, STRANGER)) == {(title, "nothing"): "refused"}
    with serving(lambda stream: None) as port:
        assert tried(target(port, STRANGER)) == {(title, "nothing"): "open"}, "it hangs up on everybody: that is no lock"


def test_whoever_answers_a_ping_in_clear_is_open_and_what_only_a_member_can_read_is_not() -> None:
    for reply, kind in ((b"\x02\x81\xa5SeqNo\x2a", "open"), (b"\x0a\x00\x00\x00\x70secret", "refused"), (b"", "refused")):
        def handle(stream: socket.socket, reply: bytes = reply) -> None:
            stream.recv(1000)
            stream.sendall(reply)

        with serving(handle) as port:
            assert tried(target(port, GOSSIP[0])) == {(GOSSIP[0].title, "nothing"): kind}


@pytest.mark.parametrize(("code", "kind"), [(0, "open"), (-102, "refused"), (-124, "refused")])
def test_the_tree_is_asked_for_by_its_own_protocol(code: int, kind: str) -> None:
    seen: list[bytes] = []

    def handle(stream: socket.socket) -> None:
        def packet() -> bytes:
            size = struct.unpack("!i", stream.recv(4))[0]
            return stream.recv(size)

        packet()
        stream.sendall(struct.pack("!i", 37) + b"\0" * 37)
        while True:
            seen.append(packet())
            number, what = struct.unpack("!ii", seen[-1][:8])
            stream.sendall(struct.pack("!iiqi", 16, number, 0, 0 if what == 100 else code))

    with serving(handle) as port:
        assert tried(target(port, Knock("list /", "jute", "list"), Knock("create", "jute", "create"), login="none")) == {
            ("list /", "nothing"): kind, ("list /", "wrong"): kind, ("create", "nothing"): kind, ("create", "wrong"): kind}
    made = [packet for packet in seen if packet[4:8] == struct.pack("!i", 1)]
    assert made and all(packet.endswith(struct.pack("!i", 1)) for packet in made), "what is made goes with the session"
    assert any(b"audit:wrong" in packet for packet in seen)


def test_names_are_asked_by_udp_and_tcp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        one = target(server.getsockname()[1], Knock("a name", "dns", protocol="udp"), protocol="udp")
        assert tried(one) == {("a name", "nothing"): "shut"}, "no answer"

        def answer() -> None:
            for _ in range(1):
                said, who = server.recvfrom(1000)
                server.sendto(said[:2] + b"\x81\x80" + said[4:], who)

        server.recvfrom(1000)
        threading.Thread(target=answer, daemon=True).start()
        assert tried(one) == {("a name", "nothing"): "open"}

    for code, kind in ((0, "open"), (5, "refused")):
        def handle(stream: socket.socket, code: int = code) -> None:
            said = stream.recv(1000)
            stream.sendall(said[:4] + bytes([0x81, 0x80 + code]) + said[6:])

        with serving(handle) as port:
            assert tried(target(port, Knock("a name", "dns"))) == {("a name", "nothing"): kind}


def test_where_nothing_listens_it_is_shut_for_everybody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert tried(target(port, get("/state"))) == {("", ""): "shut"}


def test_an_audit_ends_in_time() -> None:
    def wait(stream: socket.socket) -> None:
        time.sleep(5)

    with serving(wait) as port:
        doors = [request(n, target(port, get("/a"), get("/b")), "127.0.0.1", {}, "") for n in range(100)]
        began = time.monotonic()
        rows = knock_at(doors, seconds=1.0)
        assert time.monotonic() - began < 5 and 0 < len({row[0] for row in rows}) < 100


# --- doors and who tries them -------------------------------------------------------------------------------------------


def variables(host: Host) -> dict[str, Any]:
    return {**load_schema().all_defaults(), "docker_overlay": "swarm", "dns_address": host.cluster_address}


def test_every_port_has_a_door_that_is_tried_or_says_why_not() -> None:
    for component in COMPONENTS:
        for port in component.ports:
            door = door_of(component, port)
            assert door.knocks or port.ranges or (door.lock and "can't be tried" in door.lock), f"{component.name}: {port.title}"
        for door in of(component, "DOORS"):
            assert door.port or any(door.is_of(port) for port in component.ports), f"{component.name}: {door.of} is no port of it"


def test_every_secret_says_what_it_is_for_and_every_login_can_be_one() -> None:
    told = {f"vault_{name}" for c in COMPONENTS for name in dict(of(c, "SECRETS"))}
    assert secrets.PURPOSES.keys() - told == set()
    assert all(login.secret in {name.removeprefix("vault_") for name in told} for c in COMPONENTS for login in of(c, "LOGINS"))


def test_every_door_is_tried_from_every_place() -> None:
    of_all = cluster(*masters(3), *agents(2))
    every = targets(of_all, variables)
    found = visits(of_all, every, {a.name: {"container": "bridge", "overlay": "net"} for a in of_all.members("agents")})
    doors = {(t.host.name, t.name) for t in every if t.knocks and t.port}
    for place in PLACES:
        tried_there = {(t.host.name, t.name) for v in found if v.place == place for t, _ in v.doors}
        assert doors <= tried_there, place
        foreign = {(t.host.name, t.name) for v in found if v.place == place for t, _ in v.doors if v.here != t.host}
        assert doors <= foreign, f"{place}: from another host, too"
    sockets = [(v.place, v.here and v.here.name, t.host.name) for v in found for t, _ in v.doors if not t.port]
    assert sockets and all(place == "user" and here == there for place, here, there in sockets), "a socket has no other place"


def test_a_large_cluster_is_not_tried_by_everybody() -> None:
    of_all = cluster(*masters(3), *agents(40))
    found = visits(of_all, targets(of_all, variables), {a.name: {"container": "bridge"} for a in of_all.members("agents")})
    hosts = [len({t.host.name for t, _ in v.doors}) for v in found if v.place != "operator"]
    assert max(hosts) <= 5


def test_of_every_door_a_lock_is_taken_away_in_a_lab() -> None:
    """By one of the rows of tests/lab/test_locks.py."""
    tried_doors = {t.name.partition("/")[0] for t in targets(cluster(*masters(3), *agents(2)), variables) if t.knocks}
    assert {door.partition("/")[0] for lock in UNLOCKED for door in lock.doors} == tried_doors


@pytest.mark.parametrize(("reach", "place", "own", "key", "kind", "verdict"), [
    ("operators", "operator", False, "nothing", "open", "open"), ("members", "user", True, "wrong", "open", "open"),
    ("operators", "operator", False, "nothing", "refused", "shut"), ("operators", "operator", False, "operator's", "open", "opens"),
    ("operators", "operator", False, "operator's", "refused", "locked out"),
    ("operators", "container", False, "operator's", "shut", "shut"),
    ("host", "user", True, "operator's", "refused", "locked out"), ("host", "user", False, "operator's", "shut", "shut"),
    ("host", "container", True, "nothing", "open", "answers"), ("host", "container", False, "nothing", "open", "open"),
    ("members", "member", False, "nothing", "open", "open"), ("members", "member", False, "nothing", "refused", "shut"),
])
def test_verdicts(reach: str, place: Place, own: bool, key: str, kind: str, verdict: str) -> None:
    knock = get("/x")
    one = target(1, knock, reach=reach, door=Door(knocks=(knock,), answers=("container",)))
    assert [row.verdict for row in judged(one, place, own, [(0, key, kind, "said")], ["operator's"])] == [verdict]


@pytest.mark.parametrize(("reach", "place", "own", "address", "verdict"), [
    ("members", "operator", False, "192.0.2.7", "open"), ("members", "operator", False, "10.0.0.7", "shut"),
    ("members", "user", True, "", "open"), ("members", "container", False, "", "open"), ("members", "member", False, "", "shut"),
    ("host", "user", True, "", "shut"), ("host", "user", False, "", "open"), ("host", "member", False, "", "open"),
    ("host", "operator", False, "10.0.0.7", "open"), ("operators", "operator", False, "192.0.2.7", "shut"),
    ("users", "user", True, "", "shut"),
])
def test_who_is_no_member_and_gets_a_connection_has_found_the_network_rules_gone(
        reach: str, place: Place, own: bool, address: str, verdict: str) -> None:
    guarded = replace(target(1, get("/x"), reach=reach), members=("10.0.0.0/24",))
    refused = [(0, "nothing", "refused", "401")]
    assert [row.verdict for row in judged(guarded, place, own, refused, [], address)] == [verdict]
    assert [row.verdict for row in judged(guarded, place, own, [(-1, "", "shut", "no answer")], [], address)] == ["shut"]
    assert [row.verdict for row in judged(replace(guarded, members=()), place, own, refused, [], address)] == ["shut"], "an open cluster"
    assert [row.verdict for row in judged(replace(guarded, protocol="udp"), place, own, refused, [], address)] == ["shut"]


def test_what_only_the_network_keeps_from_strangers_answers_to_members() -> None:
    one = target(1, get("/x", for_members=True), reach="members")
    assert {place: judged(one, place, False, [(0, "nothing", "open", "200")], [])[0].verdict for place in PLACES} == {
        **dict.fromkeys(PLACES, "open"), "member": "answers"}


def test_a_gap_is_said_and_not_counted_and_a_shut_port_locks_out_whoever_is_to_come_in() -> None:
    gap = get("/y", gap="nobody can lock it")
    one = target(1, get("/x"), gap)
    rows = judged(one, "operator", False, [(0, "nothing", "refused", "401"), (1, "nothing", "open", "200")], [])
    assert {row.verdict: row.answer for row in rows} == {"shut": "401", "gap": "200: nobody can lock it"}
    shut = judged(one, "operator", False, [(-1, "", "shut", "connection refused")], ["operator's"])
    assert {(row.key, row.verdict) for row in shut} == {("nothing", "shut"), ("operator's", "locked out")}
    one_of_two = judged(one, "operator", False, [(-1, "", "shut", "no answer"), (0, "operator's", "open", "200")], ["operator's"])
    assert {row.verdict for row in one_of_two if row.key == "operator's"} == {"opens"}


def test_a_door_that_was_not_tried_is_no_shut_door(monkeypatch: pytest.MonkeyPatch) -> None:
    one = target(1, get("/x"))
    visit = Visit("user", one.host, doors=((one, "127.0.0.1"), (one, "10.0.0.1"), (one, "10.0.0.2")))

    def broken(door: Any) -> Any:
        raise LookupError("unknown encoding: idna")

    monkeypatch.setattr("provisioner.probe.knocking.visit", broken)
    failed = knock_at([request(1, one, "127.0.0.1", {}, "")])
    said = untried(visit, [[0, 0, "nothing", "shut", "no answer"], *failed])
    assert [(f.severity, f.host, f.text) for f in said] == [
        ("fail", "m1", "2 of 3 were not tried from user: Door 1/tcp of m1: LookupError: unknown encoding: idna")]
    assert judged(one, "user", True, [row[1:] for row in failed], []) == []
    assert [f.text for f in untried(visit, [[0, 0, "nothing", "shut", ""], [1, 0, "nothing", "shut", ""]])] == [
        "1 of 3 were not tried from user: Door 1/tcp of m1: there was no time"]


# --- what is said of it -------------------------------------------------------------------------------------------------


def row(host: str, place: str, key: str = "nothing", verdict: str = "shut") -> Row:
    return Row(host, "Door 1/tcp", place, key, "GET /", "401", verdict)


def test_the_table_says_once_what_is_the_same_and_the_worst_first() -> None:
    rows = [row(h, p, k) for h in ("m1", "m2") for p in ("operator", "user") for k in ("nothing", "wrong")]
    rows.append(row("m3", "user", verdict="open"))
    report = Report("demo", "closed", 3, tuple(rows))
    assert [line[:4] + line[5:] for line in report.table()] == [
        ["m3", "Door 1/tcp", "user", "nothing", "open"], ["m1, m2", "Door 1/tcp", "operator, user", "nothing, wrong", "shut"]]
    assert (report.summary, report.closed) == ("1 open door of 3", False)
    assert json.loads(json.dumps(report.as_json()))["open"] == [{"host": "m3", "door": "Door 1/tcp"}]


@pytest.mark.parametrize(("silent", "said"), [((), "0 open doors of 3"), (("m1: x",), "0 open doors of 3, 1 of which has no listener"),
                                              (("m1: x", "m1: y"), "0 open doors of 3, 2 of which have no listener")])
def test_where_nothing_listens_no_lock_was_tried_and_the_summary_says_so(silent: tuple[str, ...], said: str) -> None:
    assert Report("demo", "closed", 3, (row("m1", "user"),), silent=silent).summary == said


@pytest.mark.parametrize(("verdict", "severity", "closed"), [("shut", "warn", True), ("gap", "note", True), ("locked out", "note", False),
                                                             ("shut", "fail", False), ("open", "note", False)])
def test_what_counts(verdict: str, severity: str, closed: bool) -> None:
    report = Report("demo", "closed", 1, (row("m1", "user", verdict=verdict),), (Finding(severity, "m1", "modes", "text"),))
    assert report.closed is closed


def test_the_summary_says_which_hosts_were_not_tried() -> None:
    report = Report("demo", "closed", 3, (row("m1", "user"),), unreachable={"a1": "no route"})
    assert report.summary == "0 open doors of 3; not tried, as a1 does not answer"


def cut_off(tmp_path: Path, *names: str) -> tuple[Context, FakeTransport]:
    """A cluster that was built, of which these hosts do not answer, and the others see nothing amiss."""
    path = tmp_path / "inventory.yml"
    path.write_text("masters: {hosts: {m1: {ansible_host: 192.0.2.11}}}\nagents: {hosts: {a1: {ansible_host: 192.0.2.101}}}\n")

    def well(call: Call) -> Completed:
        answer: dict[str, Any] = {"version": 1, "time": 0.0, "seconds": 0.0, "errors": {}, "knock": {"rows": []},
                                  "look": {"found": [], "listening": [], "strange": []}, "health": {}}
        return said(json.dumps(answer))

    transport = FakeTransport({name: UnreachableError("no route") if name in names else well for name in ("m1", "a1")})
    context = Context(path, transport=transport)
    secrets.ensure(context.cluster)
    record(context.cluster, [f"{login(h).known_as} ssh-ed25519 {'A' * 68}" for h in context.cluster.hosts])
    return context, transport


@pytest.mark.parametrize("as_json", [False, True])
def test_an_audit_of_hosts_that_do_not_answer_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    context, _ = cut_off(tmp_path, "m1", "a1")
    with pytest.raises(UnreachableError, match="no door was tried: a1, m1 do not answer: no route") as refused:
        audit.run(context, Console(), audit.Options(json=as_json))
    out = capsys.readouterr().out
    assert refused.value.exit_code == 4 and ("0 open doors" in out) is False and bool(out) is as_json
    assert last(context.cluster, time.time()) == "", "it is not kept for status"


def test_an_audit_without_some_hosts_names_them_and_does_not_end_well(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.observe.audit.auditor.knock_at", lambda *_: [])
    context, _ = cut_off(tmp_path, "a1")
    assert audit.run(context, Console(), audit.Options()) != 0
    assert "not tried, as a1 does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(("before", "wish"), [("open", "closed"), ("closed", "open")])
def test_what_is_audited_is_the_cluster_that_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
                                                      before: str, wish: str) -> None:
    """Not the one that the inventory wishes for: others of its ports listen, and others are trusted."""
    monkeypatch.setattr("provisioner.observe.audit.auditor.knock_at", lambda *_: [])
    context, transport = cut_off(tmp_path)
    ledger.save(context.cluster, replace(context.ledger, access=before))
    context.path.write_text(context.path.read_text() + f"all: {{vars: {{cluster_access: {wish}}}}}\n")
    audit.run(Context(context.path, transport=transport), Console(), audit.Options(json=True))
    found = json.loads(capsys.readouterr().out)
    assert (found["access"], f"still {before}: 'provision up'" in found["doubt"]) == (before, True)


def test_status_hears_of_the_last_one(tmp_path: Path) -> None:
    of_all = cluster(*masters(1), path=tmp_path / "inventory.yml")
    assert last(of_all, 0.0) == ""
    keep(of_all, Report("test", "closed", 12, ()))
    assert last(of_all, time.time() + 2 * 86400 + 5) == "0 open doors of 12, 2 days ago"


# --- secrets in sight ---------------------------------------------------------------------------------------------------

SECRETS = {"vault_a_password": SECRET, "vault_b_token": "01234567-89ab-4def-8123-456789abcdef",
           "vault_c_digest": "mesos:FQnkU9b3vZbSKIz7ci7emh9WV7A=",
           "vault_cluster_ca_certificate": make_authority("x")[1], "vault_cluster_ca_key": make_authority("x")[0]}


def known() -> look.Known:
    return look.Known("salt", digests(SECRETS, b"salt", [RIGHT]))


def test_secrets_are_found_by_their_digests_wherever_they_stand() -> None:
    key_line = SECRETS["vault_cluster_ca_key"].splitlines()[1]
    for text, name in ((f"zk://mesos:{SECRET}@m1:2181/mesos", "vault_a_password"), (f"token={SECRETS['vault_b_token']}\n", "vault_b_token"),
                       ('{"id": "' + SECRETS["vault_c_digest"] + '"}', "vault_c_digest"), (f"  {key_line}  ", "vault_cluster_ca_key"),
                       (f"Authorization: {RIGHT}", "a password")):
        assert known().in_text(text.encode()) == {name}, text
    assert known().in_text(SECRETS["vault_cluster_ca_certificate"].encode() + b"0123456789abcdef" * 2) == set()
    told = json.dumps(digests(SECRETS, b"salt", [RIGHT]))
    assert not any(word.decode() in told for _, word in words_of(SECRETS, [RIGHT])), "a host is told no secret"
    assert digests(SECRETS, b"salt", []).keys() & digests(SECRETS, b"other", []).keys() == set()


def test_every_kind_of_secret_that_is_made_has_words() -> None:
    made = {name: make() for name, make in secrets.PURPOSES.items()}
    assert {name for name, _ in words_of(made, [])} == made.keys()


def test_files_that_others_can_read_are_looked_into_and_others_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(look, "PLACES", (str(tmp_path),))
    for name, mode in (("open", 0o644), ("ours", 0o640), ("closed/open", 0o644)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"password: {SECRET}\n")
        path.chmod(mode)
    (tmp_path / "closed").chmod(0o750)
    assert list(look.in_files(known())) == [f"vault_a_password is in {tmp_path}/open, mode 0644"]
    assert list(look.modes([f"{tmp_path}/o*", f"{tmp_path}/none"])) == [
        ["fail", "modes", f"{tmp_path}/open has mode 0644"], ["fail", "modes", f"{tmp_path}/ours has mode 0640"]]


def test_a_command_line_is_read() -> None:
    child = subprocess.Popen(["sh", "-c", "sleep 20; true", SECRET])
    try:
        assert "vault_a_password is on the command line of sh" in list(look.in_processes(known()))
    finally:
        child.kill()
        child.wait()


def test_a_journal_is_read_and_what_was_left_of_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "journalctl"
    program.write_text(f"#!/bin/sh\necho one; printf 'password: {SECRET}'")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert look.tried(look.in_journal, known()) == [["fail", "secrets", "vault_a_password is in the journal"]]
    monkeypatch.setattr(look, "MAX_JOURNAL", 10)
    program.write_text(f"#!/bin/sh\necho password: {SECRET}; yes | head -c 3000000")
    assert [row[0] for row in look.tried(look.in_journal, known())] == ["fail", "note"]
    program.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [row[0] for row in look.tried(look.in_journal, known())] == ["fail"], "nobody knows"


def test_what_sshd_takes_is_asked_of_sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "_output", lambda *_: "passwordauthentication yes\npermitrootlogin yes\n")
    assert [row[2] for row in look.sshd()] == ["sshd takes passwords", "sshd lets root in with a password"]
    monkeypatch.setattr(look, "_output", lambda *_: "passwordauthentication no\npermitrootlogin yes\n")
    assert list(look.sshd()) == []
    monkeypatch.setattr(look, "_output", lambda *_: "")
    assert [row[0] for row in look.sshd()] == ["note"]


@pytest.mark.parametrize(("told", "icc", "notes"), [
    ('{"icc": false}', "true\n", 1), ('{"icc": false}', "false\n", 0), ('{"icc": false}', "", 0), ("{}", "true\n", 0), ("", "true\n", 0),
    ("[]", "true\n", 0),
])
def test_what_docker_was_told_and_has_not_taken_up_is_noted(monkeypatch: pytest.MonkeyPatch, told: str, icc: str, notes: int) -> None:
    monkeypatch.setattr(look, "read", lambda path: told)
    monkeypatch.setattr(look, "_output", lambda *command: icc)
    assert [row[:2] for row in look.docker_settings()] == [["note", "docker"]] * notes


def test_listeners_that_are_no_known_door_are_named() -> None:
    opened = [{"protocol": "tcp", "address": address, "port": port, "inode": "0"}
              for address, port in (("10.0.0.1", 5050), ("10.0.0.1", 39111), ("127.0.0.1", 39112))]
    assert look.strange(opened, [["tcp", 5050, 5050]]) == [["tcp", "10.0.0.1", 39111, "the kernel"]]
    assert look.strange(opened, [["udp", 39111, 39111], ["tcp", 5000, 40000]]) == []


def test_a_strange_listener_counts_when_it_can_be_reached_and_nobody_said_why(tmp_path: Path) -> None:
    one = Host("a1", "127.0.0.1")
    of_all = cluster(one, path=tmp_path / "inventory.yml")
    auditor = Auditor(of_all, variables, FakeTransport(), {}, "closed", print)
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as closed:
        port, shut = listening.getsockname()[1], closed.getsockname()[1]
        closed.close()
        found = auditor.strange(one, [["tcp", "10.0.0.1", port, "nc (x.service)"], ["tcp", "10.0.0.1", port, "mesos-executor (x)"],
                                      ["tcp", "10.0.0.1", shut, "nc"], ["udp", "10.0.0.1", 5, "nc"]])
    assert [one.severity for one in found] == ["fail", "note", "note", "note"]
    assert found[0].text == f"nc (x.service) listens on 10.0.0.1:{port}, which is no known door"


def test_a_port_can_be_closed_altogether() -> None:
    found = {t.name: t for t in targets(cluster(*masters(1)), variables) if t.door.port}
    assert "Docker's API over TCP 2375/tcp" in found and all(not t.logins for t in found.values())
    assert Port(0, "x").reached_by == "members"


def test_a_whole_audit_and_what_travels_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_all = cluster(*masters(1), *agents(1), path=tmp_path / "inventory.yml")
    known_secrets = {f"vault_{login.secret}": SECRET for c in COMPONENTS for login in of(c, "LOGINS")}
    seen: list[dict[str, Any]] = []

    def host(call: Call) -> Completed:
        seen.append(call.request)
        assert SECRET not in call.command and RIGHT not in call.command
        answer: dict[str, Any] = {"version": 1, "time": 0.0, "seconds": 0.0, "errors": {}}
        if "look" in call.request["sections"]:
            assert SECRET.encode() not in call.stdin
            answer["look"] = {"found": [["note", "sudo", "said"]], "listening": ["tcp/5050"], "strange": []}
            old = {"state": "ok", "detail": "", "version": "3.4.13", "leader": False}
            answer["health"] = dict.fromkeys(call.request["health"], old)
        else:
            doors = call.request["knock"]["doors"]
            silent = call.request["knock"]["network"] == "bridge"
            rows = [[door["id"], 0, "nothing", "open" if door["port"] == 3888 else "refused", "401"] for door in doors[1:]]
            answer["knock"] = {"rows": [], "error": "no image"} if silent else {"rows": rows}
        return said(json.dumps(answer))

    def knock_here(doors: list[dict[str, Any]], seconds: float) -> list[list[Any]]:
        mesos = next(d for d in doors if d["port"] == 5050)
        mesos["read"]("GET /state", f'{{"zk": "zk://mesos:{SECRET}@m1/mesos"}}')
        return [[d["id"], 0, "nothing", "open", "200"] if d is mesos else [d["id"], -1, "", "shut", "no answer"] for d in doors]

    monkeypatch.setattr("provisioner.observe.audit.auditor.knock_at", knock_here)
    transport = FakeTransport({h.name: host for h in of_all.hosts})
    auditor = Auditor(of_all, lambda h: {**variables(h), "docker_overlay": "none"}, transport, known_secrets, "closed", lambda _: None)
    report = auditor.audit()
    assert report.open_doors == [("m1", "The Mesos master 5050/tcp")] and not report.closed
    texts = {finding.text for finding in report.failed}
    assert "nobody could knock from container: no image" in texts
    assert any(text.startswith("1 of ") and "not tried from user" in text for text in texts), "the first door has no row"
    assert any("is in the answer to GET /state" in text for text in texts)
    assert {"m1: ZooKeeper 2181/tcp", "m1: Docker's API over TCP 2375/tcp"} <= set(report.silent), "also what nobody is to have"
    assert not any("5050" in text for text in report.silent)
    assert report.summary.startswith(f"1 open door of {report.doors}, {len(report.silent)} of which have no listener (")
    assert [call["knock"]["root"] for call in seen if "knock" in call].count(True) == 2
    assert any(row.verdict == "gap" and "members of ZooKeeper 3.4.13 speak no TLS" in row.answer for row in report.rows)
    right = [key for call in seen if "knock" in call for door in call["knock"]["doors"] for key in door["keys"] if key != "wrong"]
    assert {"operator's", "viewer's"} <= set(right)
    assert all("digests" in call["look"] for call in seen if "look" in call)
