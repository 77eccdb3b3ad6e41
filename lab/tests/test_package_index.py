"""Files from the Python package index: pip's configuration is followed, and every miss is named. Real pip, real servers on loopback."""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from provisioner.errors import ProvisionError
from provisioner_lab.packages import package_index
from provisioner_lab.packages.package_index import Settings, Wanted, configured, fetch, links, parse_options, settings_of

CONTENT = b"an archive"
WANTED = Wanted("mesos.scheduler", "mesos.scheduler-1.11.0.linux-x86_64.tar.gz", hashlib.sha256(CONTENT).hexdigest())


class Index(http.server.SimpleHTTPRequestHandler):
    seen: list[tuple[str, str]]
    #: path → where it is now
    moved: dict[str, str]

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's output is for failures."""

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization", "")))
        if self.path in self.moved:
            self.send_response(302)
            self.send_header("Location", self.moved[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[Path, str, list[tuple[str, str]]]]:
    """An empty index's folder, its address, and what it is asked: path and login."""
    folder, seen = tmp_path / "index", list[tuple[str, str]]()
    (folder / "simple" / "mesos-scheduler").mkdir(parents=True)
    handler = type("Served", (Index,), {"seen": seen, "moved": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        yield folder, f"http://127.0.0.1:{serving.server_address[1]}/simple", seen
        serving.shutdown()


def publish(folder: Path, content: bytes = CONTENT) -> None:
    """The file, and a page that links to it as indexes do."""
    (folder / "files").mkdir()
    (folder / "files" / WANTED.name).write_bytes(content)
    page = f'<!DOCTYPE html><a href="../../files/other.tar.gz">other</a><a href="../../files/{WANTED.name}#sha256=0">{WANTED.name}</a>'
    (folder / "simple" / "mesos-scheduler" / "index.html").write_text(page)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """pip without any configuration but what the test sets."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_PROXY", "PIP_CERT", "PIP_TIMEOUT",
                 "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return monkeypatch


def test_the_file_comes_from_the_index_that_pip_is_configured_for(
    tmp_path: Path, index: tuple[Path, str, list[tuple[str, str]]], only: pytest.MonkeyPatch,
) -> None:
    folder, address, seen = index
    publish(folder)
    parts = urlsplit(address)
    only.setenv("PIP_INDEX_URL", f"{parts.scheme}://me:s3%40cret@{parts.netloc}/simple/")
    target = tmp_path / WANTED.name
    fetch(WANTED, target)
    assert target.read_bytes() == CONTENT
    login = "Basic " + base64.b64encode(b"me:s3@cret").decode()
    assert seen[0] == ("/simple/mesos-scheduler/", login)
    seen.clear()
    fetch(WANTED, target)
    assert not seen, "it is there already"


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_password_goes_to_its_own_host_and_no_other(
    tmp_path: Path, index: tuple[Path, str, list[tuple[str, str]]], only: pytest.MonkeyPatch, elsewhere: bool,
) -> None:
    """With the page's redirect, and with a link to the file that names the host; both happen on private indexes."""
    folder, address, _ = index
    publish(folder)
    asked, place = list[tuple[str, str]](), urlsplit(address).netloc
    moved = {"/private/mesos-scheduler/": f"{address}/mesos-scheduler/" if elsewhere else "/simple/mesos-scheduler/"}
    handler = type("Private", (Index,), {"seen": asked, "moved": moved})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder))) as private:
        threading.Thread(target=private.serve_forever, args=(0.01,), daemon=True).start()
        own = f"127.0.0.1:{private.server_address[1]}"
        page = folder / "simple" / "mesos-scheduler" / "index.html"
        page.write_text(f'<a href="http://{place if elsewhere else own}/files/{WANTED.name}">{WANTED.name}</a>')
        only.setenv("PIP_INDEX_URL", f"http://me:s3cret@{own}/private")
        fetch(WANTED, tmp_path / WANTED.name)
        private.shutdown()
    login = "Basic " + base64.b64encode(b"me:s3cret").decode()
    assert {said for _, said in asked} == {login}
    assert len(asked) == (1 if elsewhere else 3)
    assert {said for _, said in index[2]} == ({""} if elsewhere else set())


def test_a_download_that_breaks_off_is_a_miss_that_is_named(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    class Broken(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            body = f'<a href="/{WANTED.name}">it</a>'.encode() if self.path.endswith("/") else CONTENT
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + (not self.path.endswith("/"))))
            self.end_headers()
            self.wfile.write(body)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://127.0.0.1:{serving.server_address[1]}/simple"
        only.setenv("PIP_INDEX_URL", address)
        with pytest.raises(ProvisionError, match=f"{address}/mesos-scheduler/: IncompleteRead"):
            fetch(WANTED, tmp_path / WANTED.name)
        serving.shutdown()


def test_the_next_index_is_asked_when_one_is_away_or_lacks_the_file(
    tmp_path: Path, index: tuple[Path, str, list[tuple[str, str]]], only: pytest.MonkeyPatch,
) -> None:
    folder, address, _ = index
    publish(folder)
    only.setenv("PIP_INDEX_URL", address.replace("/simple", "/nothing"))
    only.setenv("PIP_EXTRA_INDEX_URL", f"http://127.0.0.1:9/simple {address}")
    fetch(WANTED, tmp_path / WANTED.name)
    assert (tmp_path / WANTED.name).read_bytes() == CONTENT


def test_a_folder_of_find_links_is_enough(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / WANTED.name).write_bytes(CONTENT)
    only.setenv("PIP_NO_INDEX", "1")
    only.setenv("PIP_FIND_LINKS", str(wheels))
    fetch(WANTED, tmp_path / WANTED.name)
    assert (tmp_path / WANTED.name).read_bytes() == CONTENT


@pytest.mark.parametrize("links_to", ["~/wheels", "file://HOME/wheels"])
def test_a_folder_may_be_below_home_and_have_links(tmp_path: Path, only: pytest.MonkeyPatch, links_to: str) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    (home / "wheels").mkdir(parents=True)
    cache.mkdir()
    (home / "store").write_bytes(CONTENT)
    (home / "wheels" / WANTED.name).symlink_to("../store")
    only.setenv("HOME", str(home))
    only.setenv("PIP_NO_INDEX", "1")
    only.setenv("PIP_FIND_LINKS", links_to.replace("HOME", str(home)))
    fetch(WANTED, cache / WANTED.name)
    assert not (cache / WANTED.name).is_symlink()
    assert (cache / WANTED.name).read_bytes() == CONTENT


def test_an_index_in_a_folder_is_read(tmp_path: Path, index: tuple[Path, str, list[tuple[str, str]]], only: pytest.MonkeyPatch) -> None:
    folder, _, seen = index
    publish(folder)
    only.setenv("PIP_INDEX_URL", f"file://{folder}/simple")
    fetch(WANTED, tmp_path / WANTED.name)
    assert (tmp_path / WANTED.name).read_bytes() == CONTENT
    assert seen == []


def test_certificates_come_from_where_pip_takes_them(only: pytest.MonkeyPatch) -> None:
    only.setenv("REQUESTS_CA_BUNDLE", "/site.pem")
    assert configured("p").certificates == "/site.pem"
    only.setenv("PIP_CERT", "/pip.pem")
    assert configured("p").certificates == "/pip.pem"


def test_another_file_under_the_name_is_refused_and_not_kept(
    tmp_path: Path, index: tuple[Path, str, list[tuple[str, str]]], only: pytest.MonkeyPatch,
) -> None:
    folder, address, _ = index
    publish(folder, b"something else")
    only.setenv("PIP_INDEX_URL", address)
    with pytest.raises(ProvisionError, match=f"its SHA-256 is {hashlib.sha256(b'something else').hexdigest()}, not {WANTED.sha256}"):
        fetch(WANTED, tmp_path / WANTED.name)
    assert not list(tmp_path.glob(f"{WANTED.name}*"))
    (tmp_path / WANTED.name).write_bytes(b"put there by hand")
    with pytest.raises(ProvisionError, match="is not the file that was published"):
        fetch(WANTED, tmp_path / WANTED.name)


def test_a_file_that_nobody_serves_is_named_with_where_it_was_looked_for_and_no_password(
    tmp_path: Path, index: tuple[Path, str, list[tuple[str, str]]], only: pytest.MonkeyPatch,
) -> None:
    folder, address, _ = index
    (folder / "simple" / "mesos-scheduler" / "index.html").write_text("<a href='a-1.tar.gz'>a-1.tar.gz</a>")
    only.setenv("PIP_INDEX_URL", address.replace("//", "//me:s3cret@"))
    only.setenv("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ProvisionError) as failed:
        fetch(WANTED, tmp_path / WANTED.name)
    text = str(failed.value)
    assert f"{WANTED.name} (project mesos.scheduler)" in text
    assert f"{address}/mesos-scheduler/ does not list it" in text
    assert "http://127.0.0.1:9/simple/mesos-scheduler/: " in text and "refused" in text
    assert str(tmp_path / WANTED.name) in failed.value.hint
    assert "s3cret" not in text


def test_without_a_configuration_pips_own_index_is_asked(only: pytest.MonkeyPatch) -> None:
    found = configured("mesos.scheduler")
    assert len(found.pages) == 1
    assert found.pages[0].startswith("https://") and found.pages[0].endswith("/simple/mesos-scheduler/")


def test_a_pip_that_is_quiet_is_configured_all_the_same(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\ncert = /site.pem\nquiet = 1\n")
    only.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    found = configured("p")
    assert (found.pages, found.folders, found.certificates) == ((), (Path("/wheels"),), "/site.pem")


def test_the_environment_wins_over_options_of_download_and_these_over_global_ones() -> None:
    listing = ("download.timeout='30'\nglobal.timeout='20'\n:env:.cert='/env.pem'\nglobal.cert='/global.pem'\nglobal.index-url='https://a/s'\n"
               "install.index-url='https://other/simple'\n")
    assert parse_options(listing) == {"timeout": "30", "cert": "/env.pem", "index-url": "https://a/s"}


def test_options_become_places_and_ways() -> None:
    options = {"index-url": "https://a/simple/", "extra-index-url": "https://b/s\nhttps://c/s", "find-links": "/w file:///v%20w https://d/l",
               "cert": "/c.pem", "client-cert": "/k.pem", "proxy": "http://p:1", "trusted-host": "a b:8", "timeout": "7"}
    assert settings_of(options, "Some_Project.x", "unused") == Settings(
        pages=("https://a/simple/some-project-x/", "https://b/s/some-project-x/", "https://c/s/some-project-x/", "https://d/l"),
        folders=(Path("/w"), Path("/v w")), certificates="/c.pem", client_certificate="/k.pem", proxy="http://p:1",
        trusted=("a", "b:8"), seconds=7.0)
    assert settings_of({"no-index": "true", "find-links": "/w"}, "p", "https://a").pages == ()
    assert settings_of({}, "p", "https://a").seconds == 15.0


def test_links_of_a_page_are_absolute_and_without_fragments() -> None:
    page = "https://a.example/simple/p/"
    text = '<a href="../../f/p-1.tar.gz#sha256=1" data-x="y">p</a><a>none</a><a HREF="https://b.example/p%2D2.zip">q</a>'
    found = links(page, text)
    assert found == ["https://a.example/f/p-1.tar.gz", "https://b.example/p%2D2.zip"]
    assert [package_index.file_name(address) for address in found] == ["p-1.tar.gz", "p-2.zip"]
