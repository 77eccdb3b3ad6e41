"""The lab's Logstash: refuses what the real one refuses, loses nothing, answers in the real shapes."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samples import ENVIRONMENT, STAND_INS

PROGRAM = STAND_INS / "logstash_standin/packaging/logstash"
PIPELINE = """
input {{ tcp {{ host => "127.0.0.1" port => {port} codec => json_lines {tls} }} }}  # where hosts send to
filter {{ {filter} }}
output {{ file {{ path => "{output}" codec => json_lines }} }}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def logstash(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, PROGRAM, *arguments], capture_output=True, text=True, timeout=20, check=False, env=ENVIRONMENT)


def until(true: Callable[[], Any]) -> Any:
    """What `true` answers, as soon as it is something; fails after ten seconds."""
    for _ in range(200):
        try:
            if answer := true():
                return answer
        except OSError:
            pass
        time.sleep(0.05)
    return pytest.fail("nothing happened for ten seconds")


class Node:
    """A settings folder, and the program running on it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.api_port = folder, free_port(), free_port()
        self.output = folder / "out" / "%{+YYYY-MM-dd}.log"
        (folder / "conf.d").mkdir()
        settings = {"path.data": f"{folder}/data", "path.logs": str(folder), "queue.type": "persisted"}
        settings |= {"api.http.port": self.api_port, "allow_superuser": True}  # type: ignore[dict-item]
        (folder / "logstash.yml").write_text(json.dumps(settings))
        main = {"pipeline.id": "main", "path.config": f"{folder}/conf.d/*.conf"}
        (folder / "pipelines.yml").write_text(json.dumps([main]))
        self.process: subprocess.Popen[bytes] | None = None
        self.tls = ""

    def start(self, filter_: str = "") -> None:
        text = PIPELINE.format(port=self.port, output=self.output, filter=filter_, tls=self.tls)
        (self.folder / "conf.d" / "main.conf").write_text(text)
        command = [sys.executable, str(PROGRAM), "--path.settings", str(self.folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
        until(lambda: self.ask("/"))

    def stop(self, how: int = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(how)
        return self.process.wait(10)

    def send(self, *lines: str) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall("".join(f"{line}\n" for line in lines).encode())

    def ask(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.api_port}{path}", timeout=5) as answer:
            return dict(json.load(answer))

    def queued(self) -> int:
        return int(self.ask("/_node/stats/pipelines")["pipelines"]["main"]["queue"]["events_count"])

    def written(self) -> list[dict[str, Any]]:
        files = sorted(self.folder.glob("out/*.log"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    yield node
    if node.process and node.process.poll() is None:
        node.stop(signal.SIGKILL)


def test_version_says_that_it_is_a_stand_in() -> None:
    assert logstash("-V").stdout == "logstash 9.5.6-standin\n"


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        ("input { tcp { port => 1 prot => 2 } }", "Unknown setting 'prot' for tcp"),
        ("input { tcp { host => 'a' } }", "Missing a required setting for the tcp input plugin"),
        ("input { tcp { port => many } }", "This setting must be a number"),
        ("input { kafka { } }", "Couldn't find any input plugin named 'kafka'"),
        ("output { stdout { codec => avro } }", "Couldn't find any codec plugin named 'avro'"),
        ("output { if [a] == 1 { kafka { } } }", "Couldn't find any output plugin named 'kafka'"),
        ("input {\n  tcp { port 5 }\n}", '"=>" at line 2, column 14'),
        ("inptu { }", 'Expected one of [ \\t\\r\\n], "#", "input", "filter", "output" at line 1, column 1'),
        ("input { tcp { port => 5 }", '"}"'),
    ],
)
def test_a_wrong_pipeline_is_refused_with_the_reason(node: Node, pipeline: str, reason: str) -> None:
    tried = logstash("--path.settings", str(node.folder), "-t", "-e", pipeline)
    assert tried.returncode == 1
    assert reason in tried.stdout


def test_a_good_pipeline_passes_the_test(node: Node) -> None:
    text = PIPELINE.format(port=1, output="/x", tls="",
                           filter='if ![a][b] and [c] in ["d", "e"] { drop {} } else { mutate {} }')
    tried = logstash("--path.settings", str(node.folder), "--config.test_and_exit", "-e", text)
    assert (tried.returncode, tried.stdout) == (0, "Configuration OK\n")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pipeline.wrokers: 3", "Setting \"pipeline.wrokers\" doesn't exist"),
        ("queue:\n  type: tape", "Invalid value \"queue.type: tape\""),
        ("pipeline.workers: many", 'Setting "pipeline.workers" must be a int'),
        ("a: [", "Failed to parse YAML file"),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(node: Node, line: str, reason: str) -> None:
    (node.folder / "logstash.yml").write_text(f"allow_superuser: true\n{line}\n")
    tried = logstash("--path.settings", str(node.folder), "-t", "-e", "input { tcp { port => 1 } }")
    assert tried.returncode == 1
    assert reason in tried.stderr


def test_an_unknown_flag_and_a_missing_configuration_are_refused(node: Node) -> None:
    assert "Unrecognised option '--bogus'" in logstash("--bogus", "1").stderr
    assert "No config files found" in logstash("--path.settings", str(node.folder), "-t").stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused for being root")
def test_root_is_refused_unless_allowed(tmp_path: Path) -> None:
    tried = logstash("--path.settings", str(tmp_path), "-t", "-e", "input { tcp { port => 1 } }")
    assert tried.returncode == 1
    assert "cannot be run as superuser" in tried.stdout


def test_lines_are_filtered_and_written_once(node: Node) -> None:
    node.start('if [program] == "noise" { drop {} } else if "x" in [tags] { mutate { add_field => { "[a][b]" => "%{program}!" } } }')
    node.send('{"program": "noise"}', '{"program": "one", "@timestamp": "2020-02-03T23:30:00+02:00"}', "plain")
    node.send('{"program": "two", "tags": ["x"]}')
    until(lambda: len(node.written()) == 3)
    time.sleep(0.3)
    events = {event.get("program"): event for event in node.written()}
    assert len(node.written()) == 3
    assert events["two"]["a"] == {"b": "two!"}
    assert events[None]["tags"] == ["_jsonparsefailure"]
    assert [json.loads(line)["program"] for line in (node.folder / "out/2020-02-03.log").read_text().splitlines()] == ["one"]


def test_what_no_output_has_taken_survives_a_kill_and_comes_once(node: Node) -> None:
    (node.folder / "out").write_text("in the way")
    node.start()
    node.send('{"n": 1}', '{"n": 2}')
    until(lambda: node.queued() == 2)
    node.stop(signal.SIGKILL)
    (node.folder / "out").unlink()
    node.start()
    until(lambda: node.queued() == 0)
    assert [event["n"] for event in node.written()] == [1, 2]
    assert node.stop() == 0
    node.start()
    time.sleep(0.3)
    assert len(node.written()) == 2


def test_what_was_sent_before_a_stop_is_not_lost(node: Node) -> None:
    node.start()
    with socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(b'{"n": 1}\n')
        until(lambda: len(node.written()) == 1)
        assert node.process
        node.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        connection.sendall(b'{"n": 2}\n')
        assert connection.recv(1) == b""
    assert node.process.wait(10) == 0
    node.start()
    until(lambda: len(node.written()) == 2)


class Authority:
    """Signs certificates, by the program openssl."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._openssl("req", "-x509", *self._new("ca"), "-subj", "/CN=authority", "-days", "2")

    def certificate(self, name: str) -> tuple[str, str]:
        """Paths of a certificate for this name and of its key."""
        files = [str(self.folder / f"{name}{end}") for end in (".pem", ".key", ".csr")]
        self._openssl("req", *self._new(name), "-subj", f"/CN={name}", "-out", files[2])
        self._openssl("x509", "-req", "-in", files[2], "-CA", f"{self.folder}/ca.pem", "-CAkey", f"{self.folder}/ca.key",
                      "-CAcreateserial", "-days", "2", "-out", files[0])
        return files[0], files[1]

    def _new(self, name: str) -> list[str]:
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{self.folder}/{name}.key"]
        return [*key, "-out", f"{self.folder}/{name}.pem"]

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], capture_output=True, check=True)


def said_over_tls(node: Node, trusted: str, pair: tuple[str, str] | None, line: str) -> str:
    """Send a line; '' when the other side took it, else why it did not."""
    context = ssl.create_default_context(cafile=trusted)
    context.check_hostname = False
    if pair:
        context.load_cert_chain(*pair)
    try:
        with socket.create_connection(("127.0.0.1", node.port), 5) as plain, context.wrap_socket(plain) as connection:
            connection.sendall(f"{line}\n".encode())
            # Whether it is taken shows only afterwards: TLS 1.3 lets the client speak first.
            connection.settimeout(1)
            return "ended" if connection.recv(1) == b"" else "spoke"
    except TimeoutError:
        return ""
    except (ssl.SSLError, ConnectionError) as error:
        return str(error)


def test_over_tls_only_lines_of_clients_with_a_certificate_of_its_authority_are_taken(node: Node, tmp_path: Path) -> None:
    ours, others = Authority(tmp_path / "ours"), Authority(tmp_path / "others")
    certificate, key = ours.certificate("collector")
    node.tls = (f'ssl_enabled => true ssl_certificate => "{certificate}" ssl_key => "{key}" '
                f'ssl_certificate_authorities => ["{ours.folder}/ca.pem"] ssl_client_authentication => "required"')
    node.start()
    trusted = f"{ours.folder}/ca.pem"
    node.send('{"message": "plain"}')
    assert said_over_tls(node, trusted, None, '{"message": "nobody"}')
    assert said_over_tls(node, trusted, others.certificate("host"), '{"message": "stranger"}')
    assert said_over_tls(node, f"{others.folder}/ca.pem", ours.certificate("host"), '{"message": "no trust"}')
    assert said_over_tls(node, trusted, ours.certificate("host"), '{"message": "ours"}') == ""
    until(lambda: len(node.written()) == 1)
    assert node.stop() == 0
    assert [event["message"] for event in node.written()] == ["ours"]


@pytest.mark.parametrize(("tls", "reason"), [
    ("ssl_enabled => true", "`ssl_certificate` and `ssl_key` are required"),
    ('ssl_enabled => true ssl_certificate => "/x" ssl_key => "/y"', "`ssl_certificate_authorities` is required"),
    ('ssl_enabled => true ssl_client_authentication => "perhaps"', "not \"perhaps\""),
    ('ssl_enabled => true ssl_certificate => "/x" ssl_key => "/y" ssl_client_authentication => "none"', "No such file"),
])
def test_it_does_not_start_with_half_of_tls(node: Node, tls: str, reason: str) -> None:
    tried = logstash("--path.settings", str(node.folder), "-e", PIPELINE.format(port=node.port, output="/x", filter="", tls=tls))
    assert (tried.returncode, reason in tried.stdout) == (1, True), tried.stdout


def test_only_one_instance_uses_the_data_folder(node: Node) -> None:
    node.start()
    second = logstash("--path.settings", str(node.folder))
    assert second.returncode == 1
    assert "already another instance" in second.stdout


def test_the_api_has_the_real_shapes(node: Node) -> None:
    node.start()
    base = {"host", "version", "http_address", "id", "name", "ephemeral_id", "snapshot", "status", "pipeline"}
    assert set(node.ask("/")) == base
    assert set(node.ask("/_node")) == base | {"pipelines"}
    stats = node.ask("/_node/stats/pipelines")
    assert set(stats) == base | {"pipelines"}
    assert stats["status"] == "green"
    assert stats["pipelines"]["main"]["queue"]["type"] == "persisted"
    assert stats["pipelines"]["main"]["plugins"]["inputs"][0]["name"] == "tcp"
    health = node.ask("/_health_report")
    assert health["status"] == "green"
    assert health["indicators"]["pipelines"]["indicators"]["main"]["details"]["status"]["state"] == "RUNNING"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        node.ask("/nothing")


def test_its_native_libraries_need_a_folder_to_run_from(tmp_path: Path) -> None:
    """As on a host whose owner mounted it noexec."""
    there = f'mount -t tmpfs -o noexec none {tmp_path} && exec "$@"'
    if subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount anything")
    done = subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", there, "sh", sys.executable, PROGRAM],
                          capture_output=True, text=True, timeout=20, check=False,
                          env={**ENVIRONMENT, "LS_JAVA_OPTS": f"-Xmx1g -Djava.io.tmpdir={tmp_path}"})
    assert f"{tmp_path}/jffi.so: failed to map segment" in done.stderr, done.stderr
