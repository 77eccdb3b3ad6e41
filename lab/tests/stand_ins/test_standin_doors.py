"""How Marathon and Chronos lock their HTTP API, as the stand-ins do it: over sockets, by HTTPS with stores that our roles make for Java."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import logging
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.provisioner.core.plugins.module_utils.key_store import NAME, blocks, store
from ansible_collections.provisioner.core.plugins.plugin_utils.authority import Authority

import chronos_standin.config
import marathon_standin.config
from marathon_standin.log import set_levels
from mesos_framework import key_store
from mesos_framework.doors import Doors, doors
from mesos_framework.flags import FlagError
from mesos_framework.http_api import Answer, Api, Leadership, Manners, Route, serve
from provisioner.state.authority import make_authority

PASSWORD = "0123456789abcdef"
PAIR = "operator:right"
ZOOKEEPER = {"MARATHON_MASTER": "10.0.0.1:5050", "MARATHON_ZK": "zk://marathon:zkpw@10.0.0.1:2181/marathon",
             "MARATHON_HOSTNAME": "127.0.0.1"}


@dataclass(frozen=True)
class Signed:
    """A folder as `provisioner.core.certificate` leaves it with a key store, and the authority's certificate."""

    folder: Path
    authority: str

    @property
    def path(self) -> str:
        return str(self.folder / NAME)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return sign(tmp_path_factory.mktemp("tls"), ["127.0.0.1"])


def sign(folder: Path, names: list[str]) -> Signed:
    """Names that it is valid for."""
    def openssl(*arguments: str) -> str:
        return subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=True).stdout

    (folder / "key.pem").write_text(openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    key, certificate = make_authority("demo")
    request = openssl("req", "-new", "-key", str(folder / "key.pem"), "-subj", "/CN=request")
    (folder / "certificate.pem").write_text(Authority(certificate, key).sign(request, "m1", names, 30))
    (folder / "ca.pem").write_text(certificate)
    (own,) = blocks(folder / "key.pem")
    (folder / NAME).write_bytes(store(own, blocks(folder / "certificate.pem"), blocks(folder / "ca.pem"), PASSWORD))
    return Signed(folder, certificate)


def asked(port: int, path: str = "/x", pair: str = "", context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """Status, and how to log in."""
    headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()} if pair else {}
    connection = (http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context) if context
                  else http.client.HTTPConnection("127.0.0.1", port, timeout=10))
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("WWW-Authenticate") or ""


@contextlib.contextmanager
def served(api: Api, found: Doors) -> Iterator[list[int]]:
    """The ports."""
    servers = [serve(api, each, "Test/1", found.lock) for each in found.listeners]
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield [server.server_port for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


def member(own: str, leader: str, manners: Manners = Manners()) -> Api:  # noqa: B008 - frozen
    routes = (Route("GET", "/x", lambda _r: Answer(200, own)), Route("GET", "/ping", lambda _r: Answer(200, "pong")))
    return Api(routes if own == leader else (), Leadership(own, lambda: leader, lambda: own == leader), manners)


def flags(**more: object) -> dict[str, str | int | float | bool]:
    values = {"http_address": "127.0.0.1", "https_address": "127.0.0.1", "http_port": 0, "https_port": 0, "disable_http": False,
              "http_realm": "Mesosphere", **more}
    return {name: value for name, value in values.items() if isinstance(value, str | int | float | bool)}


def https(signed: Signed, **more: object) -> Doors:
    return doors(flags(ssl_keystore_path=signed.path, ssl_keystore_password=PASSWORD, http_credentials=PAIR, **more))


# The pair ------------------------------------------------------------------------------------------------------------


def test_each_path_wants_the_pair_through_leader_and_follower() -> None:
    found = doors(flags(http_credentials=PAIR))
    with served(member("leader:1", "leader:1"), found) as (leader,), served(member("f:1", f"127.0.0.1:{leader}"), found) as (follower,):
        for port in (leader, follower):
            for path in ("/x", "/ping", "/metrics", "/nothing"):
                assert asked(port, path) == (401, 'Basic realm="Mesosphere"')
                assert asked(port, path, "operator:wrong")[0] == asked(port, path, "other:right")[0] == 401
            assert [asked(port, path, PAIR)[0] for path in ("/x", "/ping", "/nothing")] == [200, 200, 404]


def test_members_with_and_without_the_pair_serve_who_always_brings_it() -> None:
    with served(member("l:1", "l:1"), doors(flags())) as (leader,), \
            served(member("f:1", f"127.0.0.1:{leader}"), doors(flags(http_credentials=PAIR))) as (follower,):
        assert (asked(follower, pair=PAIR)[0], asked(follower)[0], asked(leader)[0]) == (200, 401, 200)
    with served(member("l:1", "l:1"), doors(flags(http_credentials=PAIR))) as (leader,), \
            served(member("f:1", f"127.0.0.1:{leader}"), doors(flags())) as (follower,):
        assert (asked(follower, pair=PAIR)[0], asked(follower)[0]) == (200, 401), "a follower passes on what it is sent, and no more"


@pytest.mark.parametrize("pair", ["operator", ":right", "operator:", ""])
def test_what_is_no_pair_locks_nothing(pair: str, caplog: pytest.LogCaptureFixture) -> None:
    with served(member("l:1", "l:1"), doors(flags(http_credentials=pair))) as (port,):
        assert asked(port)[0] == 200
    assert ("must be specified in the form of" in caplog.text) == bool(pair)


# HTTPS ---------------------------------------------------------------------------------------------------------------


def test_https_is_a_second_way_in_that_wants_the_pair_too(signed: Signed) -> None:
    trusted = ssl.create_default_context(cadata=signed.authority)
    with served(member("l:1", "l:1"), https(signed)) as (plain, secure):
        found = [asked(secure, context=trusted), asked(secure, pair=PAIR, context=trusted), asked(plain, pair=PAIR)]
        assert [status for status, _ in found] == [401, 200, 200]
        with pytest.raises(ssl.SSLCertVerificationError):
            asked(secure, context=ssl.create_default_context())
        with pytest.raises((http.client.HTTPException, OSError)):
            asked(secure)


def test_without_http_followers_ask_the_leader_by_https_and_check_its_name(signed: Signed, tmp_path: Path) -> None:
    found, trusted = https(signed, disable_http=True), ssl.create_default_context(cadata=signed.authority)
    assert found.store
    manners = Manners("X-Leader", "X-Via", failure=502, trust=found.store.client())
    with served(member("l:1", "l:1", manners), found) as (leader,):
        with served(member("f:1", f"127.0.0.1:{leader}", manners), found) as (follower,):
            assert (asked(follower, pair=PAIR, context=trusted)[0], asked(follower, context=trusted)[0]) == (200, 401)
        # One that still speaks HTTP does not understand it, nor is it understood.
        assert member("f:1", f"127.0.0.1:{leader}").answer("GET", "/x", b"", {}).status == 500
    with served(member("l:1", "l:1"), doors(flags())) as (plain,):
        assert member("f:1", f"127.0.0.1:{plain}", manners).answer("GET", "/x", b"", {}).status == 500
    other = sign(tmp_path, ["192.0.2.1"])
    renamed = https(other, disable_http=True)
    assert renamed.store
    for context, status in ((renamed.store.client(), 500), (renamed.store.client(any_name=True), 200), (found.store.client(), 500)):
        with served(member("l:1", "l:1"), renamed) as (leader,):
            follower_ = member("f:1", f"127.0.0.1:{leader}", Manners(failure=502, trust=context))
            pair = {"Authorization": "Basic " + base64.b64encode(PAIR.encode()).decode()}
            assert follower_.answer("GET", "/x", b"", pair).status == status


@pytest.mark.parametrize(("path", "password"), [("{}", "another"), ("/nowhere", PASSWORD), ("{}.pem", PASSWORD)])
def test_a_store_that_can_not_be_used_ends_the_program(signed: Signed, path: str, password: str) -> None:
    (signed.folder / f"{NAME}.pem").write_text("-----BEGIN NOTHING-----\n-----END NOTHING-----\n" * 3)
    with pytest.raises(FlagError):
        doors(flags(ssl_keystore_path=path.format(signed.path), ssl_keystore_password=password))
    with pytest.raises(FlagError, match="Neither HTTP nor HTTPS"):
        doors(flags(disable_http=True))


def test_java_itself_reads_the_store(signed: Signed) -> None:
    keytool = shutil.which("keytool")
    if not keytool:
        pytest.skip("there is no Java here; molecule/marathon has it read on a host")
    command = [keytool, "-list", "-keystore", signed.path, "-storepass", PASSWORD]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert "PrivateKeyEntry" in listed and "trustedCertEntry" in listed
    copied = [keytool, "-importkeystore", "-srckeystore", signed.path, "-srcstorepass", PASSWORD, "-deststoretype", "pkcs12",
              "-destkeystore", str(signed.folder / "copy.p12"), "-deststorepass", PASSWORD]
    assert subprocess.run(copied, capture_output=True, timeout=60, check=False).returncode == 0, "the key can't be recovered"


def test_our_store_is_read_back_as_it_was_made(signed: Signed) -> None:
    found = key_store.read(signed.path, PASSWORD)
    assert [found.key] == blocks(signed.folder / "key.pem")
    assert (list(found.chain), list(found.trusted)) == (blocks(signed.folder / "certificate.pem"), blocks(signed.folder / "ca.pem"))


# The programs --------------------------------------------------------------------------------------------------------


def test_where_a_marathon_and_a_chronos_say_they_are(signed: Signed) -> None:
    store_ = ["--ssl_keystore_path", signed.path, "--ssl_keystore_password", PASSWORD]
    both = marathon_standin.config.configure(ZOOKEEPER, store_)
    alone = marathon_standin.config.configure(ZOOKEEPER, [*store_, "--disable_http"])
    assert [(c.own, c.framework_info("")["webui_url"], c.trust is not None) for c in (both, alone)] == [
        ("127.0.0.1:8080", "https://127.0.0.1:8443", False), ("127.0.0.1:8443", "https://127.0.0.1:8443", True)]
    jobs = chronos_standin.config.configure(["--master", "x:1", "--zk_hosts", "a:1", "--hostname", "h", *store_, "--disable_http"])
    assert (jobs.own, jobs.framework_info("")["webui_url"]) == ("h:8080", "https://h:8443"), "its followers ask by HTTP whatever is there"


def test_the_environment_gives_defaults(signed: Signed) -> None:
    environ = {**ZOOKEEPER, "MESOSPHERE_HTTP_CREDENTIALS": PAIR, "MESOSPHERE_KEYSTORE_PATH": signed.path,
               "MESOSPHERE_KEYSTORE_PASS": PASSWORD}
    found = marathon_standin.config.configure(environ, []).doors
    assert (found.lock.pair, len(found.listeners)) == (PAIR, 2)
    assert marathon_standin.config.configure(environ, ["--http_credentials", "a:b"]).doors.lock.pair == "a:b"


def test_a_start_tells_each_password_but_those_of_zookeeper_until_the_logger_is_silenced(tmp_path: Path) -> None:
    config = marathon_standin.config.configure(ZOOKEEPER, ["--http_credentials", PAIR])
    told = config.lines()
    assert f" - http_credentials (*) = {PAIR}" in told and "zkpw" not in told and " - http_realm = Mesosphere" in told
    assert PAIR not in json.dumps(config.info())
    logger = logging.getLogger("mesosphere.marathon.MarathonApp")
    file = tmp_path / "logback.xml"
    file.write_text('<?xml version="1.0"?><configuration><logger name="mesosphere.marathon.MarathonApp" level="WARN"/></configuration>')
    try:
        for options, enabled in (("-Xmx1m", True), (f"-Xmx1m -Dlogback.configurationFile={tmp_path}/none", True),
                                 (f"-Xmx1m -Dlogback.configurationFile={file}", False)):
            logger.setLevel(logging.INFO)
            set_levels({"JAVA_OPTS": options})
            assert logger.isEnabledFor(logging.INFO) == enabled, options
    finally:
        logger.setLevel(logging.NOTSET)
