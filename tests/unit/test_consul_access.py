"""Consul's tokens, its settings by version, and the phases in which a living one is closed and opened."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.provisioner.core.plugins.filter.consul import consul_acl, consul_agent_tokens, consul_tls
from ansible_collections.provisioner.core.plugins.module_utils import consul as consul_http
from ansible_collections.provisioner.core.plugins.module_utils.consul import RefusedError, consul_token
from ansible_collections.provisioner.core.plugins.modules import consul_acl as consul_module
from ansible_collections.provisioner.core.plugins.modules import consul_keyring as keyring_module

from provisioner.components.consul.phases import arrived, phases
from provisioner.plan.phases import Members
from tests.unit.builders import cluster

SEED = "0b0e8d2c-9d5e-4b0e-8a55-1f2a3b4c5d6e"
GIVEN = {"management": "M", "recovery": "R", "agent": "A", "dns": "D"}


#: What a server says of itself at each stage of its way.
STAGES: dict[str, dict[str, Any]] = {
    "off": {"acl": "off", "speaks_tls": False}, "accept": {"acl": "allow", "speaks_tls": False},
    "use": {"acl": "allow", "speaks_tls": True}, "deny": {"acl": "deny", "speaks_tls": True}}


def serving(servers: str, clients: str) -> dict[str, dict[str, Any]]:
    return {**{f"m{i}": {"server": True, **STAGES[stage]} for i, stage in enumerate(servers.split(), 1)},
            **{f"a{i}": {"server": False, "acl": acl, "speaks_tls": acl != "off"} for i, acl in enumerate(clients.split(), 1)}}


def way(wanted: str, servers: str, clients: str, absent: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """The passes that are planned: on whom, and what they bring."""
    facts = {host: own for host, own in serving(servers, clients).items() if host not in absent}
    return [(" ".join(phase.hosts), str(phase.variables.get("consul_tls") or phase.variables["consul_acl"]))
            for phase in phases(Members(cluster(), {"consul_acl": wanted}, facts, frozenset(absent)))]


@pytest.mark.parametrize(("wanted", "servers", "clients", "expected"), [
    ("deny", "off off off", "off off", [("m1 m2 m3", "accept"), ("a1 a2", "allow"), ("m1 m2 m3", "use")]),
    # Cut off after one server; after all of them; after all clients; on the way to TLS; in the last roll; at the end.
    ("deny", "accept off off", "off off", [("m2 m3", "accept"), ("a1 a2", "allow"), ("m1 m2 m3", "use")]),
    ("deny", "accept accept accept", "allow off", [("a2", "allow"), ("m1 m2 m3", "use")]),
    ("deny", "accept accept accept", "allow allow", [("m1 m2 m3", "use")]),
    ("deny", "use accept accept", "allow allow", [("m2 m3", "use")]),
    ("deny", "deny use use", "allow allow", []),
    ("deny", "deny deny deny", "deny deny", []),
    ("off", "deny deny deny", "deny deny", [("m1 m2 m3", "use"), ("m1 m2 m3", "accept"), ("a1 a2", "off")]),
    ("off", "use use deny", "deny deny", [("m3", "use"), ("m1 m2 m3", "accept"), ("a1 a2", "off")]),
    ("off", "accept off accept", "off off", []),
    ("off", "off off off", "off off", []),
])
def test_nobody_is_shut_out_on_the_way(wanted: str, servers: str, clients: str, expected: list[Any]) -> None:
    assert way(wanted, servers, clients) == expected


@pytest.mark.parametrize(("wanted", "servers", "clients", "absent", "expected"), [
    # A server was killed while it was changed, an agent is new.
    ("deny", "accept off off", "off off", ("m2", "a2"), [("m2 m3", "accept"), ("a1 a2", "allow"), ("m1 m2 m3", "use")]),
    ("deny", "use use accept", "allow allow", ("m1", "a2"), [("a2", "allow"), ("m1 m3", "use")]),
    # The others refuse clear text, or know no tokens any more: who comes back joins them as they are.
    ("deny", "deny deny deny", "deny deny", ("m2", "a2"), []),
    ("deny", "deny use use", "allow allow", ("m2",), []),
    ("off", "off off accept", "off off", ("m1", "a1"), []),
    # One that runs with lost settings.
    ("deny", "deny off deny", "deny deny", (), []),
])
def test_who_does_not_serve_comes_back_as_one_of_those_on_their_way(
        wanted: str, servers: str, clients: str, absent: tuple[str, ...], expected: list[Any]) -> None:
    assert way(wanted, servers, clients, absent) == expected


@pytest.mark.parametrize(("wanted", "servers", "there"), [
    ("deny", "use use use", False), ("deny", "deny use use", False), ("deny", "deny deny deny", True), ("off", "off off accept", False),
    ("off", "off off off", True)])
def test_the_last_pass_waits_for_others_until_the_servers_are_there(wanted: str, servers: str, there: bool) -> None:
    assert arrived(Members(cluster(), {"consul_acl": wanted}, serving(servers, "allow"))) is there


@pytest.mark.parametrize("wanted", ["deny", "off"])
def test_on_the_way_no_server_speaks_what_another_refuses(wanted: str) -> None:
    """One server after the other is brought from stage to stage; at every moment each understands each."""
    stage = dict.fromkeys(("m1", "m2", "m3"), "off" if wanted == "deny" else "deny")
    passes = [({"accept": "accept", "use": "use"}[how], hosts.split()) for hosts, how in
              way(wanted, " ".join(stage.values()), "off" if wanted == "deny" else "deny") if hosts.startswith("m")]
    for end, hosts in [*passes, (wanted, list(stage))]:
        for host in hosts:
            stage[host] = end
            for one in stage.values():
                for other in stage.values():
                    assert not (STAGES[one]["speaks_tls"] and other == "off"), "it has no certificate"
                    assert not (not STAGES[one]["speaks_tls"] and other == "deny"), "it takes TLS only"
    assert set(stage.values()) == {wanted}


def test_every_agent_has_a_token_of_its_own_that_follows_from_its_name() -> None:
    tokens = {each["secret"] for each in consul_agent_tokens(SEED, ["a1", "a2"], "p")}
    assert tokens == {consul_token(SEED, "a1"), consul_token(SEED, "a2")} and len(tokens) == 2
    assert all(str(uuid.UUID(token)) == token and token != SEED for token in tokens)
    assert consul_token(str(uuid.uuid4()), "a1") not in tokens


@pytest.mark.parametrize(("version", "names"), [
    ("1.8.7", {"master": "M", "agent_master": "R", "agent": "A", "default": "D"}),
    ("1.10.12", {"master": "M", "agent_master": "R", "agent": "A", "default": "D"}),
    ("1.11.0", {"initial_management": "M", "agent_recovery": "R", "agent": "A", "default": "D"}),
    ("1.16.3", {"initial_management": "M", "agent_recovery": "R", "agent": "A", "default": "D"}),
    ("1.17.0", {"initial_management": "M", "agent_recovery": "R", "agent": "A", "dns": "D"}),
    ("2.0.4", {"initial_management": "M", "agent_recovery": "R", "agent": "A", "dns": "D"}),
])
def test_tokens_are_called_as_the_version_calls_them(version: str, names: dict[str, str]) -> None:
    made = consul_acl("deny", version, GIVEN)
    assert made["tokens"] == names and (made["enabled"], made["default_policy"], made["down_policy"]) == (True, "deny", "extend-cache")
    assert list(consul_acl("allow", version, {"management": "", "agent": "A"})["tokens"]) == ["agent"]


@pytest.mark.parametrize(("how", "server", "incoming", "outgoing"), [
    ("require", True, True, True), ("use", True, False, True), ("accept", True, False, False), ("require", False, False, True),
    ("accept", False, False, True),
])
def test_who_speaks_and_takes_only_tls(how: str, server: bool, incoming: bool, outgoing: bool) -> None:
    old, new = consul_tls(how, "1.11.11", server), consul_tls(how, "1.12.0", server)["tls"]["internal_rpc"]
    assert old["verify_incoming_rpc"] == new["verify_incoming"] == incoming
    for made in (old, new):
        assert made["verify_outgoing"] == made["verify_server_hostname"] == outgoing
        assert made["key_file"] == "/etc/consul.d/tls/key.pem"


class Electing(http.server.BaseHTTPRequestHandler):
    """Has no leader at first."""

    answers: ClassVar[list[tuple[int, bytes]]] = []

    def do_GET(self) -> None:
        status, text = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the test's output is for failures."""


class Fake:
    """What Consul keeps, behind its HTTP API."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {"1": {"ID": "1", "Name": "global-management", "Rules": ""}}
        anonymous = {"AccessorID": consul_module.ANONYMOUS, "Description": "Anonymous Token"}
        self.tokens: dict[str, dict[str, Any]] = {consul_module.ANONYMOUS: anonymous}
        self.written = 0

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """As the module's Consul."""
        kind, _, name = path.partition("/")
        if method == "GET":
            if kind in ("policies", "tokens"):
                return list((self.policies if kind == "policies" else self.tokens).values())
            return {"AccessorID": "initial"} if path == "token/self" else self.policies[name]
        self.written += 1
        if kind == "policy":
            number = name or str(len(self.policies) + 1)
            self.policies[number] = {**body, "ID": number}
        elif method == "DELETE":
            del self.tokens[name]
        else:
            assert not name or name == body["AccessorID"]
            self.tokens[body["AccessorID"]] = body
        return True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Fake, dict[str, Any]]]:
    """`made(secret, check=False)`: the module once more, on the same Consul."""
    fake = Fake()
    monkeypatch.setattr(consul_module, "Consul", lambda agent, token: fake)

    def run(secret: str, *, check: bool = False, **more: Any) -> tuple[Fake, dict[str, Any]]:
        asked = {"management": "M", "policies": {"look": "r"}, "_ansible_check_mode": check,
                 "tokens": [{"name": "DNS", "secret": secret, "policy": "look"}, *consul_agent_tokens(SEED, ["a1"], "look")], **more}
        with patch_module_args(asked), pytest.raises(SystemExit):
            consul_module.main()
        return fake, json.loads(capsys.readouterr().out)

    return run


def test_tokens_are_made_once_corrected_and_replaced(made: Callable[..., tuple[Fake, dict[str, Any]]]) -> None:
    fake, said = made("one", check=True)
    assert (said["made"], fake.written) == (["look", "DNS", "agent a1"], 0)
    fake, said = made("one")
    assert (said["changed"], said["made"]) == (True, ["look", "DNS", "agent a1"])
    fake, said = made("one")
    assert (said["changed"], said["ready"], fake.written) == (False, True, 3)
    fake.tokens[consul_module.ANONYMOUS]["Policies"] = [{"Name": "global-management"}]
    fake.tokens[consul_module.accessor("one")]["Policies"] = [{"Name": "global-management"}]
    fake.policies["2"]["Rules"] = "others"
    assert made("one")[1]["made"] == ["look", "DNS", "anonymous"]
    assert not fake.tokens[consul_module.ANONYMOUS].get("Policies")
    # A changed secret is another token, and the old one is worth nothing any more; what somebody else made stays.
    fake.tokens["theirs"] = {"AccessorID": "theirs", "Description": "DNS"}
    made("two")
    assert {consul_module.accessor("two"), "theirs"} <= fake.tokens.keys() and consul_module.accessor("one") not in fake.tokens
    assert made("two", absent=["gone"])[1]["changed"] is False


def test_a_consul_that_cannot_be_asked_yet_is_no_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        agent = f"127.0.0.1:{nobody.getsockname()[1]}"
    with patch_module_args({"agent": agent, "management": "M"}), pytest.raises(SystemExit):
        consul_module.main()
    said = json.loads(capsys.readouterr().out)
    assert (said["changed"], said["ready"], said["unknown"]) == (False, False, False) and "refused" in said["why"]


@pytest.mark.parametrize(("answer", "unknown"), [
    ((403, b"ACL not found"), True), ((401, b"ACL support disabled"), True), ((500, b"rpc error making call: EOF"), False)])
def test_one_that_cannot_answer_is_not_one_that_does_not_know_the_token(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: tuple[int, bytes], unknown: bool) -> None:
    """Such a server may run with damaged settings, which the role is about to put right."""
    monkeypatch.setattr(consul_http, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(Electing, "answers", [answer])
    with http.server.HTTPServer(("127.0.0.1", 0), Electing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        asked = {"agent": f"127.0.0.1:{server.server_address[1]}", "management": "M"}
        with patch_module_args(asked), pytest.raises(SystemExit):
            consul_module.main()
        server.shutdown()
    said = json.loads(capsys.readouterr().out)
    assert (said["changed"], said["ready"], said["unknown"]) == (False, False, unknown)


@pytest.mark.parametrize(("answers", "said"), [
    ([(500, b"No cluster leader"), (500, b"rpc error making call: EOF"), (200, b"[]")], "[]"),
    ([(500, b"4/5 nodes reported success"), (200, b"[]")], "500 4/5 nodes reported success"),
    ([(403, b"rpc error making call: ACL not found"), (200, b"[]")], "403 rpc error making call: ACL not found"),
])
def test_a_server_that_elects_is_asked_again_and_one_that_refuses_is_not(
        monkeypatch: pytest.MonkeyPatch, answers: list[tuple[int, bytes]], said: str) -> None:
    monkeypatch.setattr(consul_http, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Electing, "answers", answers)
    with http.server.HTTPServer(("127.0.0.1", 0), Electing) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        agent = consul_http.Agent(f"127.0.0.1:{server.server_address[1]}", {}, 5)
        try:
            assert agent.ask("GET", "/v1/acl/tokens") == said
        except RefusedError as error:
            assert str(error) == said
        server.shutdown()
    assert len(answers) == (0 if said == "[]" else 1)


def test_two_tokens_of_one_name_count_while_one_is_replaced(made: Callable[..., tuple[Fake, dict[str, Any]]]) -> None:
    accessor, other = consul_module.accessor, str(uuid.uuid4())
    both = [*consul_agent_tokens(SEED, ["a1", "m1"], "look"), *consul_agent_tokens(other, ["a1", "m1"], "look"),
            *({"name": "DNS", "secret": secret, "policy": "look"} for secret in ("one", "two"))]
    fake, _ = made("one", tokens=both, agents=[SEED, other])
    assert {accessor("one"), accessor("two"), accessor(consul_token(SEED, "a1")), accessor(consul_token(other, "a1"))} <= fake.tokens.keys()
    # Of agents of other hosts those go that follow from neither, and nothing goes where nothing is to be deleted.
    made("two", agents=[other], tokens=consul_agent_tokens(other, ["m1"], "look"), prune=False)
    assert accessor(consul_token(SEED, "a1")) in fake.tokens
    _, said = made("two", agents=[other], tokens=consul_agent_tokens(other, ["m1"], "look"))
    assert sorted(said["made"]) == ["agent a1", "agent m1"]
    assert accessor(consul_token(other, "a1")) in fake.tokens and accessor(consul_token(SEED, "a1")) not in fake.tokens


def test_the_token_that_makes_the_others_is_replaced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    fake.tokens["first"] = {"AccessorID": "first", "Description": "Initial Management Token"}
    change: Any = consul_module.changed_management
    assert change(fake, "new", False, True, True) == ["management"] and len(fake.tokens) == 2
    assert change(fake, "new", False, True, False) == ["management"]
    assert fake.tokens[consul_module.accessor("new")]["Policies"] == [{"Name": "global-management"}]
    assert change(fake, "new", True, True, False) == [], "it is there"
    own = consul_module.accessor("new")
    asked = fake.ask
    monkeypatch.setattr(fake, "ask", lambda how, path, body=None: {"AccessorID": own} if path == "token/self" else asked(how, path, body))
    assert change(fake, "", False, False, False) == []
    assert change(fake, "", False, True, False) == ["management"]
    assert own in fake.tokens and "first" not in fake.tokens
    assert change(fake, "", False, True, False) == []


SETTLE: Any = keyring_module.settle


class Ring:
    """Agents and the keys that they have; the last one takes a key that is given so often (`late`)."""

    def __init__(self, agents: int, *keys: str, tells: bool = True) -> None:
        self.agents, self.keys, self.first, self.tells = agents, dict.fromkeys(keys, agents), keys[0], tells
        self.asked: list[tuple[str, str]] = []
        self.done: list[str] = []
        self.late, self.silent = 0, 0

    def rings(self) -> list[dict[str, Any]]:
        """As Consul tells it."""
        if self.silent:
            self.silent -= 1
            raise RefusedError("500 4/5 nodes reported success")
        more = {"PrimaryKeys": {self.first: self.agents}} if self.tells else {}
        return [{"Keys": dict(self.keys), "NumNodes": self.agents, **more}]

    def do(self, what: str, key: str) -> None:
        """As Consul does it."""
        self.asked.append((what, key))
        self.done.append(what)
        if what == "install":
            self.late, self.keys[key] = self.late - 1, self.agents - (self.late > 0)
        elif what == "use":
            assert self.keys[key] == self.agents
            self.first = key
        else:
            assert key != self.first
            del self.keys[key]


def test_a_key_is_used_when_all_have_it_and_others_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring_module, "PAUSE", 0)
    ring = Ring(5, "old")

    def settle(key: str, also: str, dry: bool = False) -> Any:
        ring.done, ring.silent = [], 1
        return SETTLE(ring, key, also, 9, dry)

    assert settle("old", "") == [] == ring.asked
    assert settle("old", "new", dry=True) == ["install"] and ring.asked == []
    ring.late = 1
    assert settle("old", "new") == ["install"]
    assert ring.asked == [("install", "new")] * 2 and ring.first == "old", "asked again until the last one has it"
    assert settle("new", "old") == ["use"] and settle("new", "old") == []
    assert settle("new", "") == ["remove"] and ring.keys == {"new": 5}


def test_a_key_that_somebody_did_not_get_is_not_used() -> None:
    ring = Ring(5, "old")
    ring.late = 99
    with pytest.raises(RefusedError, match="4 of 5 agents have the key"):
        SETTLE(ring, "new", "old", 0, False)
    assert ring.first == "old"


def test_where_consul_does_not_tell_which_key_is_used_it_is_said_again_and_counts_as_no_change() -> None:
    ring = Ring(3, "old", tells=False)
    assert SETTLE(ring, "old", "", 0, False) == [] and ring.asked == [("use", "old")]
