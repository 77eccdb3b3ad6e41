"""Reads a bundle, and makes a working `provision` out of it: `python3 start.py FILE VENV`, on a machine that has only Python.

It travels in the bundle as start.py, so it is standard library only, and `provision bundle load` uses the same reading. Python's library
knows no ed25519: what is checked here is that every byte is as the manifest says; who signed the manifest, `load` checks.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

FORMAT = 1
MANIFEST, SIGNATURE, START = "manifest.json", "manifest.sig", "start.py"
_BLOCK, _RECORD, _CHUNK = 512, 10240, 1 << 20
#: The manifest and its signature are read into memory: a list of a hundred thousand files has some 15 MB.
_TEXT_MAX = 256 << 20
AGAIN = "copy the bundle again and compare its sha256 with that of the original, or save it again"


class Refused(Exception):  # it says what happened
    """A bundle is not as it must be: which member, what is wrong, what to do."""

    def __init__(self, member: str, message: str, hint: str = AGAIN) -> None:
        self.member, self.message, self.hint = member, message, hint
        super().__init__(f"{member}: {message}\n→ {hint}")


class Head(NamedTuple):
    """What stands at the beginning of a bundle; `text` is what is signed."""

    text: bytes
    manifest: dict[str, Any]
    key: bytes
    signature: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the signer's public key."""
        return hashlib.sha256(self.key).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all members."""
        return sum(size for size, _ in self.manifest["members"].values())


#: Opens where a member is to be written, None for one that is only to be verified.
Place = Callable[[str], "Path | None"]
Tell = Callable[[int], None]


def safe(name: str) -> bool:
    """Whether a member's name stays below the folder that it is unpacked in, and is the only way to write it."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and str(path) == name
    return bool(name) and inside and "\\" not in name and name.isprintable()


def head(file: Path) -> Head:
    """The manifest and its signature. Raises Refused."""
    with _opened(file) as tar:
        texts = {}
        for name in (MANIFEST, SIGNATURE):
            info = _next(tar, name)
            if info is None or info.name != name:
                raise Refused(name, "it is missing at its place in the file" if info else "the file is cut or damaged here")
            _plain(info)
            if info.size > _TEXT_MAX:
                raise Refused(name, f"it has {info.size} bytes, too many to be one")
            texts[name] = b"".join(_bytes(tar, info))
    manifest = _json(MANIFEST, texts[MANIFEST])
    if type(manifest.get("format")) is not int:
        raise Refused(MANIFEST, "it is no manifest of a bundle", "name a file that `provision bundle save` wrote")
    if manifest["format"] > FORMAT:
        raise Refused(MANIFEST, f"the bundle has format {manifest['format']}, this program knows {FORMAT}",
                      f"use start.py of this bundle: tar xf {file} {START}")
    members = manifest.get("members")
    if not isinstance(members, dict) or not all(
            isinstance(each, list) and len(each) == 2 and type(each[0]) is int and each[0] >= 0 and isinstance(each[1], str)
            for each in members.values()):
        raise Refused(MANIFEST, "its list of members can't be read")
    for name in members:
        if not safe(name) or name in (MANIFEST, SIGNATURE):
            raise Refused(name, "a member of this name is not unpacked: it would lie outside the folder", "do not use this bundle")
    signed = _json(SIGNATURE, texts[SIGNATURE])
    try:
        return Head(texts[MANIFEST], manifest, bytes.fromhex(signed["public_key"]), bytes.fromhex(signed["signature"]))
    except (KeyError, TypeError, ValueError):
        raise Refused(SIGNATURE, "it is no signature") from None


def unpack(file: Path, begin: Head, place: Place, tell: Tell = lambda size: None) -> None:
    """Verifies every member and writes those that have a place. Raises Refused at the first that is not as the manifest says."""
    listed = begin.manifest["members"]
    seen: set[str] = set()
    last = file.name
    with _opened(file) as tar:
        while (info := _next(tar, last)) is not None:
            last = info.name
            _plain(info)
            if last in seen:
                raise Refused(last, "it is in the bundle twice", "do not use this bundle; save it again")
            seen.add(last)
            if last in (MANIFEST, SIGNATURE):
                for _ in _bytes(tar, info):
                    pass
                continue
            if last not in listed:
                raise Refused(last, "it is not in the manifest", "do not use this bundle: something was added to it; save it again")
            _member(tar, info, listed[last], place(last), tell)
        _end(file, tar.offset, last, sorted(set(listed) - seen))


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo, said: list[Any], target: Path | None, tell: Tell) -> None:
    if info.size != said[0]:
        raise Refused(info.name, f"it has {info.size} bytes, the manifest says {said[0]}")
    digest = hashlib.sha256()
    if target:
        target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") if target else open(os.devnull, "wb") as to:  # noqa: PTH123
        for chunk in _bytes(tar, info):
            digest.update(chunk)
            to.write(chunk)
            tell(len(chunk))
    if digest.hexdigest() != said[1]:
        raise Refused(info.name, f"its sha256 is {digest.hexdigest()}, the manifest says {said[1]}")


def _end(file: Path, offset: int, last: str, missing: list[str]) -> None:
    """A file that was cut ends without the zeros of tar; one that is damaged has something else there."""
    more = f"; missing: {', '.join(missing[:3])}{' …' if len(missing) > 3 else ''}" if missing else ""
    with file.open("rb") as raw:
        size = raw.seek(0, os.SEEK_END)
        raw.seek(min(size, offset))  # where the zeros begin
        rest = raw.read(2 * _RECORD + 1)
    if size % _RECORD or len(rest) < 2 * _BLOCK:
        raise Refused(missing[0] if missing else last, f"the file is cut, or has something else, after {last}{more}")
    if rest.strip(b"\0"):
        raise Refused(missing[0] if missing else last, f"the file is damaged, or has something else, after {last}{more}")
    if missing:
        raise Refused(missing[0], f"it is in the manifest and not in the bundle{more}")
    if len(rest) > 2 * _RECORD:
        raise Refused(last, "the file has something after its end")


def _opened(file: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(file, "r:")
    except tarfile.ReadError:
        raise Refused(file.name, "it is no bundle, or its beginning is damaged", "name a file that `provision bundle save` wrote") from None
    except OSError as error:
        raise Refused(str(file), f"it can't be read: {error.strerror}", "name the bundle's file") from None


def _next(tar: tarfile.TarFile, after: str) -> tarfile.TarInfo | None:
    try:
        found = tar.next()
        tar.members = []  # type: ignore[attr-defined]  # tarfile keeps all that it has seen
        return found
    except (tarfile.TarError, ValueError):
        raise Refused(after, "the file is cut or damaged in it or behind it") from None


def _plain(info: tarfile.TarInfo) -> None:
    if not safe(info.name):
        raise Refused(info.name, "a member of this name is not unpacked: it would lie outside the folder", "do not use this bundle")
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise Refused(info.name, "it is no plain file (a link, a device or a folder)", "do not use this bundle; save it again")


def _bytes(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    source, left = tar.fileobj, info.size
    assert source  # noqa: S101  # it is open
    source.seek(info.offset_data)
    while left:
        chunk = source.read(min(left, _CHUNK))
        if not chunk:
            raise Refused(info.name, f"the file is cut in it: {left} of {info.size} bytes are missing")
        left -= len(chunk)
        yield chunk


def _json(name: str, text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused(name, "it is damaged")
    return found


def misfit(manifest: dict[str, Any]) -> str:
    """Why the bundle's tool does not run on this machine; '' when it does."""
    here = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "machine": platform.machine(), "system": platform.system()}
    wrong = [f"{name} {manifest.get(name)} (here: {value})" for name, value in here.items() if manifest.get(name) != value]
    return f"its tool is made for {', '.join(wrong)}" if wrong else ""


def make_venv(file: Path, venv: Path) -> Path:
    """The program `provision` of a bundle, in a new virtual environment. Raises Refused."""
    begin = head(file)
    if why := misfit(begin.manifest):
        raise Refused(file.name, why, "run start.py with that Python on such a machine, or save the bundle on a machine like this one")
    if venv.exists():
        raise Refused(str(venv), "it exists already", "name a folder that does not exist, or remove it")
    parent = venv.resolve().parent
    packed = sum(size for name, (size, _) in begin.manifest["members"].items() if _is_wheel(name))
    if not parent.is_dir() or shutil.disk_usage(parent).free < 6 * packed:
        raise Refused(str(parent), "there is no such folder, or not enough room in it", "make room, or name another place")
    with tempfile.TemporaryDirectory(dir=parent, prefix=".wheels-") as folder:
        unpack(file, begin, lambda name: Path(folder) / Path(name).name if _is_wheel(name) else None)
        wheels = sorted(map(str, Path(folder).glob("*.whl")))
        # What this machine's pip is told elsewhere must not send it to a network.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        try:
            _run([sys.executable, "-I", "-m", "venv", str(venv)], environment, "install the distribution's python3-venv")
            _run([str(venv / "bin/python"), "-I", "-m", "pip", "--isolated", "install", "--quiet", "--no-index", "--no-cache-dir",
                  "--disable-pip-version-check", *wheels], environment, "save the bundle again on a machine like this one")
        except BaseException:
            shutil.rmtree(venv, ignore_errors=True)
            raise
    return venv / "bin/provision"


def _is_wheel(name: str) -> bool:
    return name.startswith("tool/") and name.endswith(".whl")


def _run(command: list[str], environment: dict[str, str], hint: str) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(" ".join(command[:4]), (done.stderr + done.stdout).strip()[-2000:], hint)


def main(words: list[str]) -> int:
    """The command line of start.py."""
    if len(words) != 2 or words[0].startswith("-"):
        sys.stderr.write("usage: python3 start.py FILE VENV\nMakes provision from a bundle in the new folder VENV, without a network.\n")
        return 2
    try:
        program = make_venv(Path(words[0]), Path(words[1]))
        signer = head(Path(words[0])).fingerprint
    except Refused as refused:
        sys.stderr.write(f"error: {refused}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: {error}\n→ make room, or name another folder\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130
    sys.stderr.write(f"every file is as the manifest says; the manifest names as its signer (not checked here) {signer}\n"
                     f"next: {program} bundle load {words[0]} DIR\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
