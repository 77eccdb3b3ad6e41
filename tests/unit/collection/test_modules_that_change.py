"""The modules that change a host: archives, Consul's services, Logstash's settings."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import pwd
import socket
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.provisioner.core.plugins.modules import consul_deregister, consul_info, logstash_config, unpack


def ran(main: Callable[[], None], capsys: pytest.CaptureFixture[str], check: bool = False, **arguments: Any) -> dict[str, Any]:
    """What the module says when Ansible gives it these arguments."""
    with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
        main()
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    return said


def test_a_program_is_taken_out_of_an_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    archive, target = tmp_path / "consul.zip", tmp_path / "1.10/consul"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("consul", "program")
    asked: dict[str, Any] = {"src": str(archive), "dest": str(target), "member": "consul"}
    assert ran(unpack.main, capsys, check=True, **asked)["changed"] is True and not target.exists()
    assert ran(unpack.main, capsys, **asked)["changed"] is True
    assert (target.read_text(), oct(target.stat().st_mode)[-3:]) == ("program", "755")
    assert target.with_name("consul.sha256").read_text().strip() == hashlib.sha256(b"program").hexdigest()
    # What it noted is what consul_info looks at.
    monkeypatch.setattr(consul_info, "guarded", lambda path, mode: path.stat().st_mode & 0o777 == mode)
    link = tmp_path / "link"
    link.symlink_to(target)
    assert consul_info.binary(link) == str(target)
    target.write_text("damaged")
    assert consul_info.binary(link) == ""


def test_an_archive_becomes_a_folder_that_belongs_to_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "top/lib").mkdir(parents=True)
    (tmp_path / "top/lib/a.jar").touch()
    archive, target = tmp_path / "archive.tar.gz", tmp_path / "3.8"
    with tarfile.open(archive, "w:gz") as content:
        content.add(tmp_path / "top", "apache-zookeeper-3.8")
    (tmp_path / "3.8.part").mkdir()  # left by a run that died
    assert ran(unpack.main, capsys, src=str(archive), dest=str(target))["changed"] is True
    assert (target / "lib/a.jar").exists() and not (tmp_path / "3.8.part").exists()


@pytest.mark.parametrize(("member", "sentence"), [("consul", "it holds no consul, only README"), ("", "cannot be unpacked")])
def test_an_archive_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], member: str, sentence: str) -> None:
    archive = tmp_path / "odd.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("README", "")
    said = ran(unpack.main, capsys, src=str(archive), dest=str(tmp_path / "target"), member=member)
    assert said["failed"] and sentence in said["msg"] and not (tmp_path / "target").exists()


@pytest.fixture
def agent() -> Iterator[tuple[str, list[str]]]:
    """A Consul agent with services of two hosts; (host:port, the ids that were deregistered)."""
    gone: list[str] = []

    class Agent(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(json.dumps({name: {} for name in ("h1:web:80", "h1:dns:53:udp", "h10:web:80", "consul")}))

        def do_PUT(self) -> None:
            gone.append(self.path.rpartition("/")[2])
            self.answer("")

        def answer(self, text: str) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the test's output is for failures."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", gone
        server.shutdown()


def test_only_the_services_of_this_host_go(agent: tuple[str, list[str]], capsys: pytest.CaptureFixture[str],
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h1")
    address, gone = agent
    ours = ["h1:dns:53:udp", "h1:web:80"]
    assert ran(consul_deregister.main, capsys, check=True, agent=address)["services"] == ours and gone == []
    said = ran(consul_deregister.main, capsys, agent=address)
    assert (said["changed"], said["services"], gone) == (True, ours, ["h1%3Adns%3A53%3Audp", "h1%3Aweb%3A80"])


def test_an_agent_that_is_gone_has_no_services(capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(consul_deregister.main, capsys, agent="127.0.0.1:1")["changed"] is False
    said = ran(consul_deregister.main, capsys, agent="no.such.host.invalid:1")
    assert said["failed"] and "no.such.host.invalid" in said["msg"]


@pytest.fixture
def logstash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Logstash's folder of settings; it refuses a pipeline in which a line says so."""
    program = tmp_path / "logstash"
    program.write_text('#!/bin/sh\nwhile [ "$1" != --path.config ]; do shift; done\n! grep -h refuse $2\n')
    program.chmod(0o755)
    home = tmp_path / "etc"
    (home / "conf.d").mkdir(parents=True)
    monkeypatch.setattr(logstash_config, "HOME", home)
    monkeypatch.setattr(logstash_config, "COMMAND", (str(program),))
    monkeypatch.setattr(logstash_config, "USER", pwd.getpwuid(os.geteuid()).pw_name)
    return home


def test_settings_are_live_once_logstash_accepts_them(logstash: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = logstash / "conf.d/cluster.conf"
    assert ran(logstash_config.main, capsys, check=True, files={str(live): "input"})["changed"] is True and not live.exists()
    assert ran(logstash_config.main, capsys, files={str(live): "input"})["files"] == [str(live)]
    assert (live.read_text(), oct(live.stat().st_mode)[-3:]) == ("input", "640")
    assert ran(logstash_config.main, capsys, files={str(live): "input"})["changed"] is False
    live.chmod(0o644)
    assert ran(logstash_config.main, capsys, files={str(live): "input"})["changed"] is True


def test_what_logstash_refuses_leaves_the_live_files_alone(logstash: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live = logstash / "conf.d/cluster.conf"
    live.write_text("input")
    said = ran(logstash_config.main, capsys, files={str(live): "please refuse this"})
    assert said["failed"] and "please refuse this" in said["msg"] and "the old one stays in use" in said["msg"]
    assert live.read_text() == "input"
    assert [path.name for path in logstash.iterdir()] == ["conf.d"], "nothing is left of the trial"


def test_files_beside_ours_are_tried_with_them(logstash: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (logstash / "conf.d/own.conf").write_text("refuse")
    assert ran(logstash_config.main, capsys, files={str(logstash / "conf.d/cluster.conf"): "input"})["failed"]
