"""Archives that a task fetches: extracted into the sandbox and nowhere else."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path

TARS = (".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz")


class ArchiveError(Exception):
    """The archive is broken, or something in it would leave the sandbox."""


def extract(archive: Path, folder: Path, name: str) -> bool:
    """Extract an archive, or a single file compressed with gzip, by the ending of `name`; whether it is one."""
    try:
        if name.endswith(TARS):
            _tar(archive, folder)
        elif name.endswith(".zip"):
            _zip(archive, folder)
        elif name.endswith(".gz"):
            with gzip.open(archive) as packed, _within(folder, name[:-3]).open("wb") as file:
                shutil.copyfileobj(packed, file)
        else:
            return False
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError) as error:
        raise ArchiveError(f"failed to extract the archive: {error}") from None
    return True


def _within(folder: Path, name: str) -> Path:
    """The path of a member, which must stay within the folder with every link on the way followed."""
    root = folder.resolve()
    where = (root / name).resolve()
    if where != root and root not in where.parents:
        raise ArchiveError(f"'{name}' leads out of the sandbox")
    return folder / name


def _tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        # Newer Pythons have filters of their own; the rules are these on all.
        tar.extraction_filter = lambda member, path: member
        links = []
        for member in tar:
            if member.name.startswith("/"):
                raise ArchiveError(f"'{member.name}' leads out of the sandbox")
            where = _within(folder, member.name)
            if member.issym() or member.islnk():  # what has two names may be a link, too
                links.append(where)
            if member.issym():
                _within(folder, str(Path(member.name).parent / member.linkname))
                if where.is_symlink():
                    where.unlink()
            elif member.islnk():
                _within(folder, member.linkname)
            elif not member.isfile() and not member.isdir():
                raise ArchiveError(f"'{member.name}' is neither a file, a folder nor a link")
            member.mode = member.mode & 0o777 | (0o700 if member.isdir() else 0)
            # Files belong to the task's user whoever packed them.
            member.uid, member.gid, member.uname, member.gname = os.geteuid(), os.getegid(), "", ""
            tar.extract(member, folder)
    for link in links:
        try:
            _within(folder, str(link))  # a later member may have moved what it leads to
        except ArchiveError:
            link.unlink()
            raise


def _zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if member.filename.startswith("/"):
                raise ArchiveError(f"'{member.filename}' leads out of the sandbox")
            where = _within(folder, member.filename)
            packed.extract(member, folder)
            mode = member.external_attr >> 16 & 0o777
            if mode and not member.is_dir():
                where.chmod(mode)
