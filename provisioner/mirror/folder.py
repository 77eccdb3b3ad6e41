"""The folder of a site's mirror: what is served lies below `www` and `registry`, what nobody else may see beside them.

    www/catalogue.json, www/provision.lock   what it has, for inventories and for people
    www/apt/, www/yum/rocky9/x86_64/         packages with their signed index
    www/archives/COMPONENT/VERSION/          other files
    www/keys/                                the vendors' keys
    registry/                                storage of the image registry
    key/                                     the key that signs the packages' index; not served
    arriving/                                what has come in part
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from provisioner.cluster import lock as locks
from provisioner.cluster.lock import ARCHIVE, IMAGE, KEY, PACKAGE, Lock, Locked, System
from provisioner.errors import InventoryError, LockedError, UsageError
from provisioner.mirror.arrival import Wanted
from provisioner.mirror.files import file_sha256, readable
from provisioner.mirror.repository import DISTRIBUTION, served_name
from provisioner.mirror.systems import MACHINES

#: Beside the files that are missing, room for the index of packages and for the file system itself, in bytes.
_SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Folder:
    """A mirror's folder."""

    root: Path

    @property
    def www(self) -> Path:
        """What the web server serves."""
        return self.root / "www"

    @property
    def apt(self) -> Path:
        """The repository of Debian packages."""
        return self.www / "apt"

    @property
    def yum(self) -> Path:
        """The repositories of RPMs."""
        return self.www / "yum"

    def rpms(self, system: System) -> Path:
        """The repository of one system's RPMs, which hosts call by $releasever and $basearch."""
        return self.yum / f"{system.distribution}{system.release}" / MACHINES[system.architecture]

    @property
    def registry(self) -> Path:
        """The storage of the image registry."""
        return self.root / "registry"

    @property
    def key(self) -> Path:
        """GnuPG's folder with the key that signs."""
        return self.root / "key"

    @property
    def arriving(self) -> Path:
        """What has come in part."""
        return self.root / "arriving"

    @property
    def lock(self) -> Lock | None:
        """What was pulled into it as a whole, last; None before. Raises InventoryError for a file that is no lock."""
        return locks.read(self.www / locks.NAME)

    def file(self, artefact: Locked, of: Lock) -> Path:
        """Where a package, archive or key lies. Raises InventoryError for a lock that would have it outside of the mirror."""
        name = served_name(_name(artefact))
        if artefact.path:
            place = PurePosixPath(artefact.path)
        elif artefact.kind == PACKAGE:
            system = next((each for each in of.systems if each.name == artefact.system), None)
            if system and not system.codename:
                place = PurePosixPath(self.rpms(system).relative_to(self.root), "Packages", name)
            else:
                place = PurePosixPath("www", "apt", "pool", system.codename if system else "none", DISTRIBUTION, name)
        else:
            # Vendors may give their files the same name.
            own = ("archives", artefact.component, artefact.version) if artefact.kind == ARCHIVE else ("keys",)
            place = PurePosixPath("www", *own, name)
        if place.is_absolute() or ".." in place.parts or place.parts[:1] != ("www",) or name in ("", ".", "..") or "/" in name:
            raise InventoryError(f"{artefact.kind} {artefact.name}: the lock names no place in a mirror: {artefact.path or name}",
                                 where=locks.NAME, hint=locks.HINT)
        return self.root / place

    def missing(self, of: Lock) -> list[tuple[Locked, Path]]:
        """The packages, archives and keys of a lock that are not there as it says. What was pulled before is not hashed again."""
        before = self.lock
        known = {self.file(a, before): a.digest for a in before.artefacts if a.kind != IMAGE} if before else {}
        return [(artefact, path) for artefact in of.artefacts if artefact.kind != IMAGE
                if not _there(path := self.file(artefact, of), artefact, known.get(path, ""))]

    def refuse_full(self, size: int) -> None:
        """Raises UsageError where the disk has less than so many bytes and some to spare."""
        if size and (free := shutil.disk_usage(self.root).free) < size + _SPARE_BYTES:
            raise UsageError(f"{readable(size)} are missing, and {readable(free)} are free on the disk", where=str(self.root),
                             hint="make room, or name a folder on another disk")

    @contextmanager
    def ours(self) -> Iterator[None]:
        """While it lasts nobody else changes the mirror; the folder is made if need be. Raises LockedError, UsageError."""
        try:
            for each in (self.www, self.registry, self.arriving):
                each.mkdir(parents=True, exist_ok=True)
            file = (self.root / ".lock").open("ab")
        except OSError as error:
            raise UsageError(f"the mirror's folder can't be made: {error.strerror}", where=str(self.root),
                             hint="make it writable, or name another folder") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError("somebody else is changing this mirror", where=str(self.root),
                                  hint="wait until it is done, then run the same command again") from None
            yield


def wanted(artefact: Locked, path: Path) -> Wanted:
    """What to download for an artefact."""
    return Wanted(artefact.url, path, artefact.digest.removeprefix("sha256:"), artefact.size)


def _name(artefact: Locked) -> str:
    if artefact.kind == KEY:
        return f"{artefact.name}.asc"
    return unquote(PurePosixPath(urlsplit(artefact.url).path).name) or artefact.name


def _there(path: Path, artefact: Locked, known: str) -> bool:
    """Whether a file is what is locked; `known` is the digest it had when it was pulled."""
    if not path.is_file() or (artefact.size and path.stat().st_size != artefact.size):
        return False
    return artefact.digest in (known, f"sha256:{file_sha256(path)}" if known != artefact.digest else "")
