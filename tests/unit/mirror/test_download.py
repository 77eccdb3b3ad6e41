"""Downloads from a real server on loopback that does what servers do: it breaks off, trickles, redirects, sends something else."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import UsageError
from provisioner.mirror import arrival as module
from provisioner.mirror.arrival import Arrival, Stopped, Wanted
from provisioner.mirror.download import Fault, download, total
from provisioner.mirror.progress import Progress

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    """/FAULT[/N]: N is how often the fault happens before the file comes."""

    protocol_version = "HTTP/1.1"
    server: Vendor

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: a test's output is for failures."""

    def do_GET(self) -> None:
        _, fault, *times = self.path.split("/")
        with self.server.counting:
            self.server.asked.append((self.path, self.headers.get("Range", "")))
            often = sum(path == self.path for path, _ in self.server.asked)
        if times and times[0].isdecimal() and often > int(times[0]):
            fault = "good"
        getattr(self, f"_{fault}")()

    def _answer(self, content: bytes, *, ranges: bool = True, length: bool = True) -> None:
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1]) if ranges else 0
        if begin >= len(content):
            self._status(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if length:
            self.send_header("Content-Length", str(len(content) - begin))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content[begin:])

    def _status(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _good(self) -> None:
        self._answer(CONTENT)

    def _nolength(self) -> None:
        self._answer(CONTENT, length=False)

    def _norange(self) -> None:
        self._answer(CONTENT, ranges=False)

    def _other(self) -> None:
        self._answer(b"x" + CONTENT[1:])

    def _longer(self) -> None:
        self._answer(CONTENT + b"more")

    def _shorter(self) -> None:
        self._answer(CONTENT[:1000])

    def _missing(self) -> None:
        self._status(404)

    def _broken(self) -> None:
        self._status(500)

    def _busy(self) -> None:
        self._status(429, Retry_After="0")

    def _cut(self) -> None:
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - begin))
        self.end_headers()
        self.wfile.write(CONTENT[begin : begin + 200_000])
        self.close_connection = True

    def _trickle(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        try:
            while not self.server.over.wait(0.02):
                self.wfile.write(b"x")
        except OSError:
            self.close_connection = True

    def _circle(self) -> None:
        self._status(302, Location="/circle2")

    def _circle2(self) -> None:
        self._status(302, Location="/circle")

    def _away(self) -> None:
        self._status(301, Location="ftp://127.0.0.1/file")

    def _moved(self) -> None:
        self._status(307, Location="/good")


class Vendor(http.server.ThreadingHTTPServer):
    """Remembers what it was asked: path, Range."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []
        self.counting, self.over = threading.Lock(), threading.Event()

    def url(self, path: str) -> str:
        """The address of a file."""
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away here."""


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)
    with Vendor() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def arriving(tmp_path: Path) -> Path:
    return tmp_path / "arriving"


def fetch(vendor: Vendor, path: str, arriving: Path, size: int = len(CONTENT)) -> tuple[Path, list[Fault]]:
    target = arriving.parent / "www" / "file"
    return target, download([Wanted(vendor.url(path), target, SHA256, size)], arriving)


@pytest.mark.parametrize("path", ["good", "nolength", "norange", "moved", "broken/2", "busy/3", "cut/9", "missing/0"])
@pytest.mark.parametrize("size", [len(CONTENT), 0])
def test_a_file_comes_whole(vendor: Vendor, arriving: Path, path: str, size: int) -> None:
    target, faults = fetch(vendor, path, arriving, size)
    assert not faults
    assert target.read_bytes() == CONTENT
    assert not [*arriving.iterdir()]
    assert [each.name for each in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(("path", "said", "asked"), [
    ("missing", "HTTP 404", 1), ("broken", "HTTP 500 Internal Server Error, 4 times", 4), ("busy", "HTTP 429", 4),
    ("other", "has the SHA-256", 1), ("longer", "is longer than the 1048576 bytes that are locked", 1),
    ("shorter", f"has 1000 bytes, locked are {len(CONTENT)}", 1), ("away", "redirects to ftp://127.0.0.1/file, which is no http", 1),
    ("circle", "it redirects in a circle: ", 2),
])
def test_what_does_not_come_is_said_and_leaves_nothing(vendor: Vendor, arriving: Path, path: str, said: str, asked: int) -> None:
    target, [fault] = fetch(vendor, path, arriving)
    assert said in fault.error.message and vendor.url(path) in fault.error.message
    assert fault.error.hint
    assert not target.exists() and not [*arriving.iterdir()]
    assert len(vendor.asked) == asked


def test_a_wrong_file_is_said_with_both_digests_and_a_circle_with_its_chain(vendor: Vendor, arriving: Path) -> None:
    _, [wrong] = fetch(vendor, "other", arriving)
    assert SHA256 in wrong.error.message and hashlib.sha256(b"x" + CONTENT[1:]).hexdigest() in wrong.error.message
    _, [circle] = fetch(vendor, "circle", arriving)
    chain = " → ".join(vendor.url(each) for each in ("circle", "circle2", "circle"))
    assert chain in circle.error.message


def test_a_server_that_trickles_is_left(vendor: Vendor, arriving: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_SECONDS", 0.2)
    _, [fault] = fetch(vendor, "trickle", arriving)
    assert "it sent " in fault.error.message and "4 times" in fault.error.message


def test_nobody_answers(vendor: Vendor, arriving: Path) -> None:
    [fault] = download([Wanted("http://127.0.0.1:1/file", arriving.parent / "file", SHA256)], arriving)
    assert "refused" in fault.error.message and "4 times" in fault.error.message


def test_it_goes_on_where_it_was(vendor: Vendor, arriving: Path) -> None:
    arriving.mkdir()
    (arriving / SHA256).write_bytes(CONTENT[:700_000])
    wanted = [Wanted(vendor.url("good"), arriving.parent / "file", SHA256, len(CONTENT))]
    assert total(wanted, arriving) == len(CONTENT) - 700_000
    assert not download(wanted, arriving)
    assert vendor.asked == [("/good", "bytes=700000-")]


def test_what_had_come_whole_is_not_asked_for(vendor: Vendor, arriving: Path) -> None:
    arriving.mkdir()
    (arriving / SHA256).write_bytes(CONTENT)
    target, faults = fetch(vendor, "missing", arriving)
    assert target.read_bytes() == CONTENT and not faults and not vendor.asked


@pytest.mark.parametrize("there", [b"y" * 1000, b"y" * len(CONTENT), b"y" * (len(CONTENT) + 1)])
@pytest.mark.parametrize("size", [len(CONTENT), 0])
def test_what_had_come_of_another_file_comes_again(vendor: Vendor, arriving: Path, there: bytes, size: int) -> None:
    arriving.mkdir()
    (arriving / SHA256).write_bytes(there)
    target, faults = fetch(vendor, "good", arriving, size)
    assert not faults and target.read_bytes() == CONTENT


def test_one_fault_does_not_keep_the_others_and_the_same_content_comes_once(vendor: Vendor, arriving: Path, tmp_path: Path) -> None:
    missing = [Wanted(vendor.url(f"missing/{n}00"), tmp_path / f"lost{n}", f"{n:064x}") for n in range(3)]
    same = [Wanted(vendor.url("broken"), tmp_path / "a", SHA256), Wanted(vendor.url("good"), tmp_path / "deep" / "b", SHA256)]
    said: list[str] = []
    faults = download([*missing[:2], *same, missing[2]], arriving, said.append)
    assert [fault.wanted for fault in faults] == missing
    assert (tmp_path / "a").read_bytes() == (tmp_path / "deep" / "b").read_bytes() == CONTENT
    assert [path for path, _ in vendor.asked].count("/good") == 1
    assert said[-1].startswith("downloaded: 1.0 MB of ")


def test_a_folder_that_can_not_be_written_ends_it(vendor: Vendor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="can't be written") as caught:
        download([Wanted(vendor.url("good"), tmp_path / "file" / "x", SHA256)], tmp_path / "arriving")
    assert "goes on where it was" in caught.value.hint


def test_an_interruption_leaves_only_what_arrives(vendor: Vendor, arriving: Path) -> None:
    stop, progress = threading.Event(), Progress(lambda line: None, "downloading", 0, 1)
    target = arriving.parent / "file"
    arriving.mkdir()
    arrival = Arrival(Wanted(vendor.url("trickle"), target, SHA256, len(CONTENT)), arriving / SHA256, progress, stop)
    stopped = []

    def run() -> None:
        try:
            arrival.whole()
        except Stopped:
            stopped.append(True)

    worker = threading.Thread(target=run)
    worker.start()
    while not (arriving / SHA256).exists():
        time.sleep(0.01)
    stop.set()
    worker.join()
    assert stopped and not target.exists()
    assert [each.name for each in arriving.iterdir()] == [SHA256]
