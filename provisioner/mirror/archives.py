"""Files that vendors publish, with the checksum that they publish for them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from provisioner.cluster.lock import ARCHIVE, Locked
from provisioner.errors import ProvisionError
from provisioner.mirror.artefacts import NeededArchive
from provisioner.mirror.fetch import Hashed, NoAnswerError, hashed, size_of, small

_SHA256 = re.compile(r"[0-9a-f]{64}")
HINT = "the file is damaged or another one: fetch it again, and compare with what its vendor says"


class WrongFileError(ProvisionError):
    """A file is not what its checksum says, or nobody says what it should be."""


def locked(archive: NeededArchive) -> Locked:
    """The first address that serves it, and its SHA-256. Where that is not what is published the whole file is read, to compare.

    Raises NoAnswerError where none of its addresses answers, WrongFileError.
    """
    algorithm, published = expected(archive)
    url, found = _first(archive, read=algorithm != "sha256")
    if isinstance(found, Hashed):
        if found.sha512 != published:
            raise WrongFileError(f"{url} has the {algorithm} {found.sha512}, published is {published}", hint=HINT)
        return _row(archive, url, found.sha256, found.size)
    return _row(archive, url, published, found)


def expected(archive: NeededArchive) -> tuple[str, str]:
    """What an archive's checksum is by (`sha256` or `sha512`), and the checksum in hex. Raises WrongFileError, NoAnswerError."""
    if _SHA256.fullmatch(archive.checksum.lower()):
        return "sha256", archive.checksum.lower()
    algorithm, url = ("sha512", archive.checksum[7:]) if archive.checksum.startswith("sha512:") else ("sha256", archive.checksum)
    url = url.removeprefix("sha256:")
    if not url.startswith(("http://", "https://")):
        raise WrongFileError(f"the catalogue has no checksum of {archive.component} {archive.version}", hint="add sha256 to its entry")
    text, length = small(url).decode(errors="replace"), {"sha256": 64, "sha512": 128}[algorithm]
    name = _name(archive.urls[0])
    rows = [line.split() for line in text.splitlines() if line.strip()]
    named = [row[0] for row in rows if len(row) > 1 and row[-1].lstrip("*").rpartition("/")[2] == name]
    alone = [row[0] for row in rows if len(row) == 1] if len(rows) == 1 else []
    for value in (*named, *alone):
        if re.fullmatch(rf"[0-9a-f]{{{length}}}", value.lower()):
            return algorithm, value.lower()
    raise WrongFileError(f"{url} has no {algorithm} of {name}", hint="look at it: the vendor may have another list by now")


def _first(archive: NeededArchive, *, read: bool) -> tuple[str, Hashed | int]:
    """The first address that answers, with all that it hashes to or only its size. Raises NoAnswerError with the last one's answer."""
    problems: list[NoAnswerError] = []
    for url in archive.urls:
        try:
            return url, hashed(url) if read else size_of(url)
        except NoAnswerError as error:
            problems.append(error)
    raise NoAnswerError(archive.urls[-1], "; ".join(e.message.removeprefix(f"{archive.urls[-1]}: ") for e in problems),
                        reached=any(e.reached for e in problems))


def _row(archive: NeededArchive, url: str, sha256: str, size: int) -> Locked:
    return Locked(ARCHIVE, _name(url), archive.version, f"sha256:{sha256}", size, archive.component, "", url)


def _name(url: str) -> str:
    return PurePosixPath(urlsplit(url).path).name
