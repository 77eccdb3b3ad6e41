"""Takes in, on the host of a site's mirror, what the driver sends. Sent as text and run by the host's own Python.

Standard library and the syntax of Python 3.6 only. Below the folder named in each request:

    current -> content/ID     what is served
    content/ID/               www and registry as they were sent, and manifest.json, which says what they are
    arriving/SHA256[.part]    what has come, and what has come in part
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1024 * 1024
MANIFEST = "manifest.json"
#: What ends the name of a tree that takes the place of one with the same files.
SECOND = "-again"
#: Everybody reads what is served; only root changes it.
FOLDER_MODE, FILE_MODE = 0o755, 0o644


def lacking(request: "dict[str, Any]", _: "BinaryIO") -> "dict[str, Any]":
    """Which contents are not there, by their SHA-256, and how many bytes of each are; what is served now, whether
    something else lies about, and how much room is free."""
    root = Path(request["root"])
    there, arriving = _there(root), root / "arriving"
    lacks = {}
    for digest, size in request["contents"].items():
        if there.get(digest, (None, -1))[1] != size and not _is(arriving / digest, size):
            part = arriving / (digest + ".part")
            lacks[digest] = part.stat().st_size if part.is_file() and part.stat().st_size < size else 0
    place = next(path for path in (root, *root.parents) if path.exists())
    current = _current(root)
    spare = arriving.exists() or any(each.name != current for each in (root / "content").glob("*"))
    return {"lacks": lacks, "current": current.partition(SECOND)[0], "spare": spare, "free": shutil.disk_usage(str(place)).free}


def take(request: "dict[str, Any]", stream: "BinaryIO") -> "dict[str, Any]":
    """Takes pieces of files, each with its SHA-256, where it begins in the file, how long it is, and how long the file is.

    A whole file gets its name if it is what it should be, else it is dropped and named. Of a piece that breaks off stays what came.
    """
    arriving, wrong = _folder(Path(request["root"]) / "arriving"), []
    for digest, offset, length, size in request["pieces"]:
        part = arriving / (digest + ".part")
        with part.open("r+b" if part.exists() else "wb") as file:
            if file.seek(0, os.SEEK_END) < offset:
                raise ValueError(f"a piece is missing before byte {offset} of {digest}")
            file.seek(offset)
            file.truncate()
            while length:
                data = stream.read(min(length, CHUNK))
                if not data:
                    raise ValueError("the connection broke off")
                file.write(data)
                length -= len(data)
        if part.stat().st_size == size:
            if _sha256(part) == digest:
                part.chmod(FILE_MODE)
                part.rename(arriving / digest)
            else:
                part.unlink()
                wrong.append(digest)
    return {"wrong": wrong}


def place(request: "dict[str, Any]", stream: "BinaryIO") -> "dict[str, Any]":
    """Makes a tree of what is there, and serves it instead of the one before. What nobody needs any more is deleted."""
    root, name, files = Path(request["root"]), request["id"], json.loads(stream.read().decode("utf-8"))
    now = _current(root)
    if now.partition(SECOND)[0] == name and not any((root / "arriving").glob("*")):
        name = now
    else:
        name += SECOND if name == now else ""  # some of its files were lost and have come again
        tree = root / "content" / name
        there, new = _there(root), tree.with_name(name + ".new")
        shutil.rmtree(str(new), ignore_errors=True)
        _folder(new)
        for path, (digest, _) in files.items():
            arrived = root / "arriving" / digest
            _linked(arrived if arrived.is_file() else there[digest][0], _folder((new / path).parent) / Path(path).name)
        (new / MANIFEST).write_text(json.dumps(files, sort_keys=True), encoding="utf-8")
        (new / MANIFEST).chmod(FILE_MODE)
        os.sync()  # the name is only worth something if what it names has reached the disk
        shutil.rmtree(str(tree), ignore_errors=True)
        new.rename(tree)
        link = root / "current.new"
        if link.is_symlink():
            link.unlink()
        link.symlink_to(Path("content") / name)
        link.rename(root / "current")
    for old in (root / "content").iterdir():
        if old.name != name:
            shutil.rmtree(str(old), ignore_errors=True)
    shutil.rmtree(str(root / "arriving"), ignore_errors=True)
    return {"files": len(files)}


def _current(root: Path) -> str:
    """The id of what is served; '' for nothing."""
    return (root / "current").resolve().name if (root / "current" / MANIFEST).is_file() else ""


def _there(root: Path) -> "dict[str, tuple[Path, int]]":
    """A file of each content that is served, and its size: that of the disk, so that what was cut is not taken for it."""
    manifest = root / "current" / MANIFEST
    if not manifest.is_file():
        return {}
    tree = (root / "current").resolve()
    files = json.loads(manifest.read_text(encoding="utf-8"))
    return {digest: (tree / path, size) for path, (digest, size) in files.items() if _is(tree / path, size)}


def _is(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _folder(path: Path) -> Path:
    """It is there, and all below the mirror's own can be read by everybody, whatever umask root has."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        each.chmod(FOLDER_MODE)
    return path


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(str(source), str(target))
    except OSError:  # a file has only so many names
        shutil.copyfile(str(source), str(target))
        target.chmod(FILE_MODE)


def _sha256(path: Path) -> str:
    whole = hashlib.sha256()
    with path.open("rb") as file:
        for data in iter(lambda: file.read(CHUNK), b""):
            whole.update(data)
    return whole.hexdigest()


def main() -> None:
    """Does what the first line of the input asks for, with the rest of it, and prints what came of it; `error` says why nothing did."""
    stream = sys.stdin.buffer
    request = json.loads(stream.readline().decode("utf-8"))
    try:
        answer = {"lacking": lacking, "take": take, "place": place}[request["do"]](request, stream)
    except (OSError, ValueError, KeyError) as error:
        answer = {"error": str(error) or type(error).__name__}
    print(json.dumps(answer))
