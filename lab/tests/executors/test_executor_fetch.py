"""The fetcher with real files, archives and a loopback server."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lab_executor.fetch import FetchError, destination, main
from samples import tar

EXECUTORS = Path(__file__).parents[2] / "mesos/executors"
Fetch = Callable[..., tuple[int, str]]


class Files(BaseHTTPRequestHandler):
    """/gone is not found, /short ends early, /moved?to leads there, all else shows who asked."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        body = self.headers.get("Authorization", "nobody").encode()
        moved = self.path.partition("/moved?")[2]
        self.send_response(302 if moved else 404 if self.path == "/gone" else 200)
        if moved:
            self.send_header("Location", moved)
        self.send_header("Content-Length", str(len(body) + (self.path == "/short")))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    return tmp_path / "box"


@pytest.fixture
def fetch(box: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Fetch:
    """`fetch(item, …, **info)`: exit code and stderr."""
    def run(*items: dict[str, Any], **info: Any) -> tuple[int, str]:
        monkeypatch.setenv("MESOS_FETCHER_INFO", json.dumps({"sandbox_directory": str(box), "items": items, **info}))
        monkeypatch.setenv("no_proxy", "*")
        return main(), capsys.readouterr().err

    return run


def item(value: object, action: str = "BYPASS_CACHE", cache_filename: str = "", **uri: Any) -> dict[str, Any]:
    return {"uri": {"value": str(value), **uri}, "action": action, "cache_filename": cache_filename}


def test_files_and_addresses(fetch: Fetch, box: Path, tmp_path: Path, web: str) -> None:
    source = tmp_path / "run me"
    source.write_text("x")
    source.chmod(0o750)
    code, said = fetch(item(source), item(f"file://{source}", output_file="a/b/c", executable=True),
                       item(f"file://localhost{source}", output_file="d"), item(f" http://{web}/plain?x=1"),
                       item(f"http://me:p%40ss@{web}/login"), item("run me", output_file="home"), frameworks_home=str(tmp_path))
    assert code == 0, said
    assert {(box / name).read_text() for name in ("run me", "a/b/c", "d", "home")} == {"x"}
    assert (box / "d").stat().st_mode & 0o777 == 0o750
    assert (box / "a/b/c").stat().st_mode & 0o777 == 0o755
    assert (box / "plain?x=1").read_text() == "nobody"
    assert (box / "login").read_text() == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert "not Apache's" in said


def test_a_password_goes_to_its_own_host_and_into_no_log(fetch: Fetch, box: Path, web: str) -> None:
    other = web.replace("127.0.0.1", "localhost")
    uris = [item(f"http://me:p%40ss@{web}/moved?{to}", output_file=name) for name, to in (("here", "/x"), ("there", f"http://{other}/x"))]
    code, said = fetch(*uris, item(f"http://me:p%40ss@{web}/gone"))
    assert code == 1
    assert (box / "here").read_text() == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert (box / "there").read_text() == "nobody"
    assert f"Fetched 'http://{web}/moved?/x'" in said and f"Failed to fetch 'http://{web}/gone'" in said
    assert "p%40ss" not in said


@pytest.mark.parametrize(("value", "why"), [
    ("/no/such", "No such file"), ("http://WEB/gone", "received HTTP return code 404"), ("http://WEB/short", "ended before its 7 bytes"),
    ("http://127.0.0.1:1/x", "Connection refused"), ("hdfs://x/y", "no Hadoop client"), ("http://host", "malformed URI"),
    ("http://127.0.0.1:x/y", "nonnumeric port"),
    ("file://x/y", "absolute path"), ("relative", "--frameworks_home")])
def test_what_fails_names_the_uri(fetch: Fetch, box: Path, web: str, value: str, why: str) -> None:
    value = value.replace("WEB", web)
    code, said = fetch(item(value))
    assert code == 1
    assert f"Failed to fetch '{value}'" in said
    assert why in said
    assert list(box.iterdir()) == []


@pytest.mark.parametrize("output", ["/etc/x", "../x", "a/../../x"])
def test_output_stays_in_the_sandbox(box: Path, output: str) -> None:
    with pytest.raises(FetchError, match="not within the sandbox"):
        destination({"value": "/x", "output_file": output}, box)


@pytest.mark.parametrize(("name", "mode"), [("a.tar", "w"), ("a.tgz", "w:gz"), ("a.tar.gz", "w:gz"), ("a.tbz2", "w:bz2"),
                                            ("a.tar.bz2", "w:bz2"), ("a.txz", "w:xz"), ("a.tar.xz", "w:xz")])
def test_tars_are_extracted(fetch: Fetch, box: Path, tmp_path: Path, name: str, mode: str) -> None:
    source = tar(tmp_path / name, ("d", "d", ""), ("d/f", "f", "text"), ("d/l", "l", "f"), ("h", "h", "d/f"), mode=mode)
    code, said = fetch(item(source))
    assert code == 0, said
    assert {(box / path).read_text() for path in ("d/f", "d/l", "h")} == {"text"}
    found = (box / "d/f").stat()
    assert (found.st_mode & 0o7777, found.st_uid) == (0o755, os.geteuid())
    assert (box / name).is_file()


def test_zip_and_gzip(fetch: Fetch, box: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        program = zipfile.ZipInfo("bin/run")
        program.external_attr = 0o100755 << 16
        archive.writestr(program, "#!")
    with gzip.open(tmp_path / "log.gz", "w") as packed:
        packed.write(b"line")
    code, said = fetch(item(tmp_path / "a.zip"), item(tmp_path / "log.gz"), item(tmp_path / "a.zip", extract=False, output_file="kept.zip"))
    assert code == 0, said
    assert (box / "bin/run").stat().st_mode & 0o777 == 0o755
    assert (box / "log").read_text() == "line"
    assert (box / "kept.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.txz", "a.zip", "a.gz"])
def test_a_broken_archive_is_an_error(fetch: Fetch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08nothing of the kind")
    code, said = fetch(item(tmp_path / name))
    assert code == 1
    assert f"Failed to fetch '{tmp_path / name}'" in said


def test_the_cache(fetch: Fetch, box: Path, tmp_path: Path) -> None:
    source, cache = tar(tmp_path / "a.tar", ("f", "f", "first")), tmp_path / "cache"
    kept = item(source, "DOWNLOAD_AND_CACHE", "c1-a.tar")
    code, said = fetch(kept, cache_directory=str(cache))
    assert code == 0, said
    assert ((box / "f").read_text(), (box / "a.tar").exists()) == ("first", False)
    source.unlink()
    code, said = fetch(item(source, "RETRIEVE_FROM_CACHE", "c1-a.tar", executable=True, output_file="prog"), cache_directory=str(cache))
    assert code == 0, said
    assert (box / "prog").read_bytes() == (cache / "c1-a.tar").read_bytes()


def test_credentials_for_docker_come_as_docker_reads_them(fetch: Fetch, box: Path, tmp_path: Path) -> None:
    """The agent pulls with HOME set to the sandbox."""
    login = json.dumps({"auths": {"registry:5000": {"auth": "eDp5"}}})
    code, said = fetch(item(tar(tmp_path / "docker.tar.gz", (".docker", "d", ""), (".docker/config.json", "f", login), mode="w:gz")))
    assert code == 0, said
    assert json.loads((box / ".docker/config.json").read_text())["auths"]["registry:5000"]["auth"] == "eDp5"


def program(folder: Path, **info: Any) -> tuple[int, str]:
    """The program as the agent starts it, out of a copy."""
    shutil.copytree(EXECUTORS, folder / "libexec", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    done = subprocess.run([folder / "libexec/mesos-fetcher"], env={"MESOS_FETCHER_INFO": json.dumps(info), "PYTHONHOME": "/a/task's own"},
                          capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_only_what_the_tasks_user_may_read_is_fetched() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, box = Path(name), Path(name) / "box"
        folder.chmod(0o755)
        box.mkdir()
        shutil.chown(box, "nobody")
        (folder / "open").write_text("x")
        (folder / "secret").write_text("x")
        (folder / "secret").chmod(0o600)
        code, said = program(folder, sandbox_directory=str(box), user="nobody", items=[item(folder / "open"), item(folder / "secret")])
        assert code == 1
        assert f"Failed to fetch '{folder}/secret': [Errno 13] Permission denied" in said
        assert (box / "open").owner() == "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a cache for another user")
def test_a_link_in_the_place_of_the_cache_is_not_followed_to_change_an_owner(tmp_path: Path) -> None:
    (tmp_path / "roots").mkdir()
    (tmp_path / "cache").symlink_to("roots")
    program(tmp_path, sandbox_directory=str(tmp_path), user="nobody", cache_directory=str(tmp_path / "cache"),
            items=[item("/no/such", "DOWNLOAD_AND_CACHE", "c1")])
    assert (tmp_path / "roots").owner() == "root"


def test_a_user_that_does_not_exist(fetch: Fetch) -> None:
    code, said = fetch(user="no-such-user")
    assert code == 1
    assert "can't become user 'no-such-user'" in said


def test_the_program_says_who_starts_it_and_leaves_nothing_in_its_folder(tmp_path: Path) -> None:
    code, said = program(tmp_path)
    assert code == 1
    assert "a Mesos agent starts this program" in said
    assert list(tmp_path.rglob("__pycache__")) == []
