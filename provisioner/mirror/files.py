"""Files of a mirror: what they hash to, their size for people, and a second name for one."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path


def file_sha256(path: Path) -> str:
    """The full SHA-256 of a file, in hex."""
    return file_checksum(path, "sha256")


def file_checksum(path: Path, algorithm: str) -> str:
    """The same by another algorithm, such as `sha512`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for the same file, or a copy where that can't be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def readable(size: int) -> str:
    """A size in bytes, for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def read_to_the_end(archive: tarfile.TarFile) -> bool:
    """Whether a tar file ends as one does. Cut between two members, or in a header, it can be read as if that were its end."""
    archive.getmembers()
    file = archive.fileobj
    if file is None:
        return False
    file.seek(archive.offset)
    return len(file.read(tarfile.BLOCKSIZE)) == tarfile.BLOCKSIZE
