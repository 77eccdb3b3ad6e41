"""A mirror's folder is sent to a host: really, by the program that runs there, to this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cluster.model import Host
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.local import Local
from provisioner.hosts.openssh import Completed
from provisioner.mirror import sending
from provisioner.mirror.folder import Folder

HOST = Host("mirror1", "127.0.0.1", variables={"ansible_connection": "local"})
PIECE = 1000


class Line:
    """The way to this machine, as the user that runs the tests; `cut` may take some of what goes over it, and breaks it then."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.cut: Callable[[str, bytes], bytes] = lambda do, data: data

    def run(self, host: Host, command: str, stdin: bytes = b"", *, become: bool = False, timeout: float = 60.0,
            line: Callable[[bytes], None] | None = None) -> Completed:
        """See Transport."""
        head, _, data = stdin.partition(b"\n")
        do = json.loads(head)["do"]
        self.asked.append((do, len(data)))
        carried = self.cut(do, data)
        done = Local().run(host, command, head + b"\n" + carried, timeout=timeout)
        if carried != data:
            raise UnreachableError("the connection broke", where=host.name)
        return done

    def sent(self) -> int:
        """Bytes of files since the last time."""
        size = sum(size for do, size in self.asked if do == "take")
        self.asked.clear()
        return size


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(sending, "_BATCH", PIECE)
    return Line()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A mirror with a large blob, two files that are the same, an empty one, and things that are nobody's business."""
    made = Folder(tmp_path / "mirror")
    blob = b"layer" * 700
    digest = hashlib.sha256(blob).hexdigest()
    for path, data in {made.www / "catalogue.json": b"[]", made.www / "archives/one.zip": b"same", made.www / "archives/two.zip": b"same",
                       made.www / "apt/empty": b"", made.key / "secret": b"secret", made.arriving / "part": b"part",
                       made.registry / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data": blob}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return made


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "var/lib/mirror"


def served(root: Path) -> dict[str, bytes]:
    tree = root / "current"
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file() and path.name != "manifest.json"}


def ours(folder: Folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder.root)): path.read_bytes() for top in (folder.www, folder.registry)
            for path in top.rglob("*") if path.is_file()}


def send(folder: Folder, root: Path, line: Line) -> int:
    return sending.send(sending.content(folder), HOST, str(root), line, lambda text: None)


def test_all_that_is_served_arrives_and_nothing_else(folder: Folder, root: Path, line: Line) -> None:
    assert send(folder, root, line) == 4, "two files are the same"
    assert served(root) == ours(folder)
    assert {path.name for path in root.iterdir()} == {"current", "content"}
    modes = {path.stat().st_mode & 0o777 for path in [root, *root.rglob("*")] if not path.is_symlink()}
    assert modes == {0o755, 0o644}


def test_a_second_time_nothing_is_sent(folder: Folder, root: Path, line: Line) -> None:
    send(folder, root, line)
    line.asked.clear()
    assert send(folder, root, line) == 0
    assert line.asked == [("lacking", 0)]


def test_only_what_is_new_is_sent_and_what_is_gone_goes(folder: Folder, root: Path, line: Line) -> None:
    send(folder, root, line)
    line.asked.clear()
    (folder.www / "archives/three.zip").write_bytes(b"three")
    (folder.www / "archives/two.zip").unlink()
    (folder.www / "archives/one.zip").rename(folder.www / "archives/renamed.zip")
    assert send(folder, root, line) == 1
    assert line.sent() == len(b"three")
    assert served(root) == ours(folder)
    assert len([*(root / "content").iterdir()]) == 1


def test_a_line_that_breaks_goes_on_where_it_did(folder: Folder, root: Path, line: Line) -> None:
    broken: list[str] = []

    def once(do: str, data: bytes) -> bytes:
        if do == "take" and len(data) == PIECE and not broken:
            broken.append(do)
            return data[:PIECE // 2]
        return data

    line.cut = once
    assert send(folder, root, line) > 0
    assert broken and served(root) == ours(folder)
    total = sum({hashlib.sha256(data).digest(): len(data) for data in ours(folder).values()}.values())
    assert line.sent() < total + PIECE, "only the rest came again"


def test_a_line_that_stays_broken_ends_it_and_what_was_served_still_is(folder: Folder, root: Path, line: Line) -> None:
    send(folder, root, line)
    before = served(root)
    (folder.www / "archives/large.zip").write_bytes(bytes(5 * PIECE))
    line.asked.clear()
    line.cut = lambda do, data: data[:10] if do == "take" else data
    with pytest.raises(UnreachableError, match="the connection broke"):
        send(folder, root, line)
    assert served(root) == before
    line.cut = lambda do, data: data
    assert send(folder, root, line) == 1
    assert served(root) == ours(folder)


def test_a_file_that_is_not_what_its_name_says_is_refused_and_named(folder: Folder, root: Path, line: Line) -> None:
    blob = next(folder.registry.rglob("data"))
    blob.write_bytes(b"L" + blob.read_bytes()[1:])
    with pytest.raises(StepFailed, match="not what its lock or its name says") as refused:
        send(folder, root, line)
    assert refused.value.where == str(blob) and "mirror check" in refused.value.hint
    assert not (root / "current").exists()


def test_what_was_cut_on_the_host_comes_again(folder: Folder, root: Path, line: Line) -> None:
    send(folder, root, line)
    (root / "current/www/catalogue.json").write_bytes(b"[")
    assert send(folder, root, line) == 1
    assert served(root) == ours(folder)


def test_a_tree_that_was_left_half_made_is_made_again(folder: Folder, root: Path, line: Line) -> None:
    send(folder, root, line)
    (root / "content/left.new/www").mkdir(parents=True)
    (root / "arriving").mkdir()
    assert send(folder, root, line) == 0
    assert {path.name for path in root.iterdir()} == {"current", "content"} and len([*(root / "content").iterdir()]) == 1


def test_a_disk_that_is_too_small_is_said_before_anything_comes(folder: Folder, root: Path, line: Line,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_SPARE_BYTES", 1 << 60)
    with pytest.raises(StepFailed, match="are free on its disk"):
        send(folder, root, line)
    assert not root.exists()


def test_what_the_host_cannot_do_is_said(folder: Folder, root: Path, line: Line) -> None:
    root.parent.mkdir(parents=True)
    root.write_text("a file")
    with pytest.raises(StepFailed, match="can't be put there"):
        send(folder, root, line)
