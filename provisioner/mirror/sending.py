"""Sends a mirror's folder to the host that serves it: what the host lacks, and nothing else."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from provisioner.cluster.model import Host
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.openssh import Transport
from provisioner.mirror import receiver
from provisioner.mirror.files import file_sha256, readable
from provisioner.mirror.folder import Folder
from provisioner.mirror.lock import IMAGE
from provisioner.mirror.programs import Say
from provisioner.mirror.progress import Progress

#: Bytes of one exchange with the host: what a cut line costs at most, and the memory that it takes here.
_BATCH = 16 << 20
#: Seconds for one of them, on a slow line as well; for what the host does by itself: reading what it has, hashing, making the tree.
_BATCH_SECONDS, _HOST_SECONDS = 900.0, 600.0
#: How often a line that breaks is tried again, where something came in between.
_TRIES = 3
_SPARE_BYTES = 64 << 20
_BLOB = "data"


class Known(NamedTuple):
    """A file of the mirror: its SHA-256 in hex and its size in bytes."""

    digest: str
    size: int


class Piece(NamedTuple):
    """A part of a file: the file's digest, where it begins, how long it is, and how long the file is."""

    digest: str
    offset: int
    length: int
    size: int


@dataclass(frozen=True)
class Content:
    """What a mirror's folder serves: files by their place in it."""

    root: Path
    files: Mapping[str, Known]

    @property
    def id(self) -> str:
        """The same for the same files."""
        return hashlib.sha256(json.dumps(self.files, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def sizes(self) -> dict[str, int]:
        """Each content once."""
        return {known.digest: known.size for known in self.files.values()}


def content(folder: Folder) -> Content:
    """All that is served. What the lock or its own name says the digest of is not read for it: the host reads all that it takes.

    Raises InventoryError for a lock that is none.
    """
    lock = folder.lock
    locked = {folder.file(a, lock): a.digest.removeprefix("sha256:") for a in lock.artefacts if a.kind != IMAGE} if lock else {}
    files = {}
    for path in sorted(path for top in (folder.www, folder.registry) for path in top.rglob("*") if path.is_file()):
        name = path.parent.name
        known = locked.get(path) or (name if path.name == _BLOB and len(name) == hashlib.sha256().digest_size * 2 else "")
        files[str(path.relative_to(folder.root))] = Known(known or file_sha256(path), path.stat().st_size)
    return Content(folder.root, files)


def send(what: Content, to: Host, root: str, transport: Transport, say: Say) -> int:
    """Makes a host serve it below `root`; gives how many files had to come. What has come stays, also where the rest does not.

    Raises UnreachableError, and StepFailed for a disk that is too small and for a file that is not what it should be.
    """
    receiving = _Receiver(to, root, transport)
    came, tries = 0, 0
    while True:
        said = receiving.ask("lacking", contents=what.sizes)
        lacks: Mapping[str, int] = said["lacks"]
        try:
            if lacks:
                _refuse_full(to, root, sum(what.sizes[digest] - there for digest, there in lacks.items()), int(said["free"]))
                came += _pour(what, lacks, receiving, say)
        except UnreachableError:
            tries += 1
            if tries == _TRIES:
                raise
            say(f"{to.name}: the line broke; going on where it did")
            continue
        if lacks or said["spare"] or said["current"] != what.id:
            receiving.ask("place", json.dumps(what.files).encode(), id=what.id)
        return came


def _refuse_full(host: Host, root: str, size: int, free: int) -> None:
    if size + _SPARE_BYTES > free:
        raise StepFailed(f"{readable(size)} are to come, and {readable(free)} are free on its disk", where=f"{host.name}:{root}",
                         hint="make room there, or choose another disk (mirror_data_dir)")


def _pour(what: Content, lacks: Mapping[str, int], receiving: _Receiver, say: Say) -> int:
    paths = {known.digest: what.root / name for name, known in what.files.items()}
    total = sum(what.sizes[digest] for digest in lacks)
    progress = Progress(say, "sending", total, len(lacks))
    progress.had(sum(lacks.values()))
    for batch in _batches(what.sizes, lacks):
        said = receiving.ask("take", b"".join(_read(paths[each.digest], each) for each in batch), seconds=_BATCH_SECONDS, pieces=batch)
        for digest in said["wrong"]:
            path = paths[digest]
            if file_sha256(path) == digest:
                raise UnreachableError("what came of a file is not what was sent", where=str(path), hint="run the same command again")
            raise StepFailed("this file is not what its lock or its name says; nothing of it was kept on the host", where=str(path),
                             hint=f"provision mirror check {what.root}")
        progress.came(sum(each.length for each in batch))
        for _ in range(sum(each.offset + each.length == each.size for each in batch)):
            progress.through()
    say(f"sent: {progress}")
    return len(lacks)


def _batches(sizes: Mapping[str, int], lacks: Mapping[str, int]) -> Iterator[list[Piece]]:
    """What is lacking in pieces, several small files or one part of a large one together."""
    batch: list[Piece] = []
    left = _BATCH
    for digest, there in lacks.items():
        while True:
            length = min(sizes[digest] - there, left)
            batch.append(Piece(digest, there, length, sizes[digest]))
            there, left = there + length, left - length
            if left == 0:
                yield batch
                batch, left = [], _BATCH
            if there == sizes[digest]:
                break
    if batch:
        yield batch


def _read(path: Path, piece: Piece) -> bytes:
    with path.open("rb") as file:
        file.seek(piece.offset)
        found = file.read(piece.length)
    if len(found) != piece.length:
        raise StepFailed("this file became shorter while it was sent", where=str(path), hint="run the same command again")
    return found


@dataclass(frozen=True)
class _Receiver:
    """The program on the host."""

    host: Host
    root: str
    transport: Transport

    def ask(self, do: str, data: bytes = b"", *, seconds: float = _HOST_SECONDS, **request: Any) -> dict[str, Any]:
        """One exchange. Raises UnreachableError, and StepFailed for what the host can't do."""
        python = str(self.host.variables.get("ansible_python_interpreter") or "python3")
        program = f"{Path(receiver.__file__).read_text()}\nmain()\n"
        head = json.dumps({"do": do, "root": self.root, **request}).encode() + b"\n"
        done = self.transport.run(self.host, f"{python} -IS -c {shlex.quote(program)}", head + data, become=True, timeout=seconds)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = {"error": " ".join(done.stderr.decode(errors="replace").split())[-300:] or f"it ended with {done.code}"}
        if "error" in answer:
            raise StepFailed(f"the mirror's files can't be put there: {answer['error']}", where=f"{self.host.name}:{self.root}",
                             hint="look at the host's disk, then run the same command again; what has come stays")
        return dict(answer)
