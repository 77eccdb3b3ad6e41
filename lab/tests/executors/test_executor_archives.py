"""Archives that would leave the sandbox."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from lab_executor.archives import ArchiveError, extract
from samples import tar


@pytest.fixture
def box(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    return tmp_path / "box"


@pytest.mark.parametrize("members", [
    [("../x", "f", "")], [("/x", "f", "")], [("l", "l", "/etc")], [("l", "l", "..")], [("d/l", "l", "../../x")], [("h", "h", "../secret")],
    [("l", "l", "b/.."), ("b", "l", ".")],
    [("d/e", "d", ""), ("d/e/l", "l", "../.."), ("h", "h", "d/e/l")], [("p", "p", "")]], ids=str)
def test_nothing_leaves_the_sandbox(box: Path, members: list[tuple[str, str, str]]) -> None:
    (box.parent / "secret").write_text("s")
    with pytest.raises(ArchiveError, match=r"leads out of the sandbox|neither a file"):
        extract(tar(box.parent / "a.tar", *members), box, "a.tar")
    assert {path.name for path in box.parent.iterdir()} == {"box", "secret", "a.tar"}
    assert [link for link in box.rglob("*") if link.is_symlink() and box not in link.resolve().parents and link.resolve() != box] == []


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x"])
def test_nothing_of_a_zip_leaves_the_sandbox(box: Path, name: str) -> None:
    with zipfile.ZipFile(box.parent / "a.zip", "w") as archive:
        archive.writestr(name, "")
    with pytest.raises(ArchiveError, match="leads out of the sandbox"):
        extract(box.parent / "a.zip", box, "a.zip")


def test_links_that_were_there_before_are_not_followed_out(box: Path) -> None:
    (box / "out").symlink_to(box.parent)
    with pytest.raises(ArchiveError, match="leads out of the sandbox"):
        extract(tar(box.parent / "a.tar", ("out/x", "f", "evil")), box, "a.tar")
    assert not (box.parent / "x").exists()
