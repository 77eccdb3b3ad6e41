"""Whoever brings no token of Consul's, or a wrong one, gets nothing but names; each token may do what it is for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.module_utils.consul import consul_token

from tests.lab.support.checkout import eventually

On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Variable = Callable[[str, str], Any]
#: Sends requests to the host's own agent, read from stdin as [[method, path, token, body], …]; prints the statuses.
ASK = """
import http.client, json, sys
said = []
for method, path, token, body in json.loads(sys.argv[1]):
    connection = http.client.HTTPConnection("127.0.0.1", 8500, timeout=20)
    connection.request(method, path, json.dumps(body) if body is not None else None, {"X-Consul-Token": token} if token else {})
    said.append(connection.getresponse().status)
    connection.close()
print(json.dumps(said))
"""
SERVICE = {"Name": "molecule-access", "Port": 9}
#: The addresses of the servers, as Consul's own DNS gives them to whoever asks on its host.
ASK_NAME = """
import json, socket
question = b"".join(bytes([len(part)]) + part for part in (b"consul", b"service", b"consul")) + b"\\0\\0\\1\\0\\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stream:
    stream.settimeout(5)
    stream.sendto(b"\\x12\\x34\\1\\0\\0\\1" + b"\\0" * 6 + question, ("127.0.0.1", 8600))
    said = stream.recv(1000)
count = int.from_bytes(said[6:8], "big")
rows = said[12 + len(question):][:16 * count]
print(json.dumps([socket.inet_ntoa(rows[16 * row + 12:16 * row + 16]) for row in range(count)]))
"""
#: Consul refuses with 403, and with 500 where it passes on what a server said or asked its members.
NO = (403, 500)
#: What is asked, and the answers without a token, with a wrong one, that of the host's agent, Registrator's and the operator's; None: not
#: asked. A node that there is not is an error for the operator.
DOORS = [
    ("GET", "/v1/agent/self", None, (NO, NO, (200,), NO, (200,))),
    ("GET", "/v1/agent/metrics", None, (NO, NO, (200,), NO, (200,))),
    ("GET", "/v1/kv/molecule/access", None, (NO, NO, NO, NO, (404,))),
    ("PUT", "/v1/kv/molecule/access", "x", (NO, NO, NO, NO, (200,))),
    ("DELETE", "/v1/kv/molecule/access", None, (NO, NO, NO, NO, (200,))),
    ("PUT", "/v1/agent/service/register", SERVICE, (NO, NO, NO, (200,), (200,))),
    ("PUT", "/v1/agent/service/register", {"Name": "consul", "ID": "molecule-false"}, (NO, NO, NO, NO, None)),
    ("PUT", "/v1/agent/service/deregister/molecule-access", None, (NO, NO, NO, (200,), None)),
    ("PUT", "/v1/catalog/register", {"Node": "stranger", "Address": "192.0.2.1"}, (NO, NO, NO, NO, None)),
    ("PUT", "/v1/session/create", {}, (NO, NO, None, NO, None)),
    ("PUT", "/v1/event/fire/molecule", None, (NO, NO, NO, NO, (200,))),
    ("GET", "/v1/operator/raft/configuration", None, (NO, NO, NO, NO, (200,))),
    ("GET", "/v1/operator/keyring", None, (NO, NO, NO, NO, (200,))),
    ("GET", "/v1/acl/tokens", None, (NO, NO, NO, NO, (200,))),
    ("GET", "/v1/snapshot", None, (NO, NO, NO, NO, (200,))),
    ("PUT", "/v1/agent/leave", None, (NO, NO, None, NO, None)),
    ("PUT", "/v1/agent/force-leave/nobody", None, (NO, NO, NO, NO, (500,))),
]


@pytest.mark.parametrize(("method", "path", "body", "expected"), DOORS, ids=[f"{method} {path}" for method, path, _, _ in DOORS])
def test_a_token_opens_what_it_is_for(on: On, members: Members, variable: Variable, method: str, path: str, body: Any,
                                      expected: tuple[tuple[int, ...] | None, ...]) -> None:
    # A client has no keyring of its own to tell of.
    for host in members("consul_server" if "keyring" in path else "consul"):
        tokens = ("", str(uuid.uuid4()), consul_token(variable(host, "vault_consul_agent_token"), host),
                  variable(host, "vault_consul_registrator_token"), variable(host, "vault_consul_operator_token"))
        asked = [(statuses, [method, path, token, body]) for statuses, token in zip(expected, tokens, strict=True) if statuses]
        said = _answers(on, host, asked)
        assert all(status in statuses for status, (statuses, _) in zip(said, asked, strict=True)), f"on {host}: {said}"


def _answers(on: On, host: str, asked: Sequence[tuple[tuple[int, ...], list[Any]]]) -> list[int]:
    """The statuses of these requests, once no server fails where it should not: it has no answer while it elects or makes a snapshot."""
    said: list[int] = []

    def answered() -> bool:
        said[:] = json.loads(on(host).check_output("python3 -c %s %s", ASK, json.dumps([request for _, request in asked])))
        return not any(status == 500 and 500 not in statuses for status, (statuses, _) in zip(said, asked, strict=True))

    try:
        eventually(f"Consul answers on {host} whoever may ask", 30, answered)
    except AssertionError as error:
        journal = on(host).check_output("journalctl --unit consul --lines 20 --no-pager")
        raise AssertionError(f"{error}: {said}\n{journal}") from None
    return said


def test_an_agents_token_is_no_other_agents(on: On, members: Members, variable: Variable) -> None:
    """What it may write is its own node."""
    own, other = [*members("consul")][:2]
    token = consul_token(variable(own, "vault_consul_agent_token"), own)
    ask = [["PUT", "/v1/session/create", token, {"Node": node}] for node in (own, other)]
    ask += [["PUT", "/v1/catalog/register", token, {"Node": other, "Address": "192.0.2.1"}]]
    assert json.loads(on(own).check_output("python3 -c %s %s", ASK, json.dumps(ask)))[1:] == [403, 403]


def test_names_are_found_without_a_token(on: On, members: Members) -> None:
    servers = set(members("consul_server").values())
    for host in members("consul"):
        assert set(json.loads(on(host).check_output("python3 -c %s", ASK_NAME))) == servers, host


def test_what_was_anonymous_gets_nothing_even_where_somebody_gave_it_something(
        on: On, members: Members, variable: Variable, converge: Callable[..., Any]) -> None:
    server = next(iter(members("consul_server")))
    operator = variable(server, "vault_consul_operator_token")
    anonymous = "00000000-0000-0000-0000-000000000002"
    body = {"AccessorID": anonymous, "Description": "Anonymous Token", "Policies": [{"Name": "global-management"}]}
    give = json.dumps([["PUT", f"/v1/acl/token/{anonymous}", operator, body]])
    assert json.loads(on(server).check_output("python3 -c %s %s", ASK, give)) == [200]
    done = converge("consul", server)
    assert done.returncode == 0, done.stdout[-3000:]
    look = json.dumps([["GET", "/v1/kv/x", str(uuid.UUID(int=0)), None], ["GET", "/v1/kv/x", "", None]])
    eventually("nobody reads without a token again", 60,
               lambda: json.loads(on(server).check_output("python3 -c %s %s", ASK, look)) == [403, 403])


def test_a_server_whose_settings_are_lost_comes_back_as_closed_as_it_was(on: On, members: Members, converge: Callable[..., Any]) -> None:
    """It must not take itself for one on its way from open to closed: the others would not understand it."""
    server = [*members("consul_server")][-1]
    on(server).check_output("rm /etc/consul.d/acl.json /etc/consul.d/tls.json && systemctl restart consul")
    done = converge("consul", server)
    assert done.returncode == 0, done.stdout[-3000:]
    assert json.loads(on(server).check_output("cat /etc/consul.d/acl.json"))["acl"]["default_policy"] == "deny"
    assert '"verify_outgoing": true' in on(server).check_output("cat /etc/consul.d/tls.json")


def test_no_token_is_on_a_command_line_or_for_everybody_to_read(on: On, members: Members, variable: Variable) -> None:
    for host in members("consul"):
        tokens = [variable(host, f"vault_consul_{name}_token") for name in ("management", "dns", "registrator", "operator")]
        tokens.append(consul_token(variable(host, "vault_consul_agent_token"), host))
        assert not [t for t in tokens if t in on(host).check_output("ps axww -o args")]
        seen = on(host).check_output("su nobody -s /bin/sh -c 'cat /etc/consul.d/* /etc/provisioner/credentials/* 2>/dev/null || true'")
        assert not [t for t in tokens if t in seen], f"anybody on {host} can read a token"


def test_a_client_holds_no_token_that_may_do_everything(on: On, members: Members, variable: Variable) -> None:
    for host in set(members("consul")) - set(members("consul_server")):
        held = on(host).check_output("cat /etc/consul.d/*.json /etc/provisioner/credentials/*")
        for name in ("management", "operator"):
            assert variable(host, f"vault_consul_{name}_token") not in held, f"{host} has the {name} token"
        assert variable(host, "vault_consul_agent_token") not in held, "all agents' tokens follow from it"


#: Speaks to a server's RPC port as an agent does: the first byte says whether the rest is plain (0) or TLS (3); prints what came of it.
SPEAK = """
import socket, ssl, sys
address, first, certificate = sys.argv[1:]
connection = socket.create_connection((address, 8300), 10)
connection.sendall(bytes([int(first)]))
try:
    if first == "3":
        context = ssl.create_default_context(cafile="/etc/consul.d/tls/ca.pem")
        if certificate:
            context.load_cert_chain(certificate + "/certificate.pem", certificate + "/key.pem")
        connection = context.wrap_socket(connection, server_hostname="server.dc1.consul")
        connection.sendall(bytes([0]))
    # Whoever may speak is listened to, and hears nothing as long as nothing is asked.
    connection.settimeout(3)
    print("closed" if connection.recv(1) == b"" else "answered")
except socket.timeout:
    print("listens")
except (ssl.SSLError, ConnectionError) as error:
    print("refused", error)
"""


@pytest.mark.parametrize(("first", "certificate", "expected"), [
    ("0", "", "closed"), ("3", "", "refused"), ("3", "/etc/consul.d/tls", "listens"),
])
def test_a_server_is_spoken_to_with_a_certificate_only(on: On, members: Members, first: str, certificate: str, expected: str) -> None:
    client = next(host for host in members("consul") if host not in members("consul_server"))
    for host, address in members("consul_server").items():
        said = on(client).check_output("python3 -c %s %s %s %s", SPEAK, address, first, certificate)
        assert said.split()[0] == expected, f"{host}: {said}"


def test_only_a_server_has_a_servers_certificate(on: On, members: Members) -> None:
    """Who has one with that name may pose as a server, and would be given everything."""
    for host in members("consul"):
        said = on(host).check_output("openssl x509 -in /etc/consul.d/tls/certificate.pem -noout -ext subjectAltName")
        assert ("server.dc1.consul" in said) == (host in members("consul_server")), f"{host}: {said}"
