"""Takes files that nobody serves into a mirror and into the lock: what this machine made, and what the user brought."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from provisioner.errors import UsageError
from provisioner.mirror import archives, debs
from provisioner.mirror.artefacts import Needed, NeededArchive, NeededPackage
from provisioner.mirror.debs import Described
from provisioner.mirror.fetch import NoAnswerError
from provisioner.mirror.files import file_checksum, file_sha256, read_to_the_end
from provisioner.mirror.folder import Folder
from provisioner.mirror.lock import ARCHIVE, BROUGHT, IMAGE, PACKAGE, Lock, Locked, System
from provisioner.mirror.repository import OWN, served_name
from provisioner.observe.preflight.sources import same_version

_ANY_ARCHITECTURE = "all"
_DEB, _RPM = b"!<arch>\ndebian", b"\xed\xab\xee\xdb"
_CHANGED = "a file that changes needs another version; if this one is right, take the line of the other out of the lock and add it again"
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError)


@dataclass(frozen=True)
class Added:
    """The lines of a file, and what could not be looked at: '' where all was."""

    lines: tuple[Locked, ...]
    doubt: str = ""


def looked_at(file: Path, needed: Needed, lock: Lock, systems: Sequence[System]) -> Added:
    """What a package or an archive is for an inventory. Raises UsageError for what is damaged, fits no host, or is not wanted."""
    if already := _locked(file, lock):
        return Added(already)
    with file.open("rb") as opened:
        head = opened.read(len(_DEB))
    if head.startswith(_RPM):
        raise UsageError("RPMs can't be locked yet", where=str(file), hint="give the hosts a repository that has it")
    if head == _DEB:
        found = debs.described(file)
        return Added(package(found, _asking(found, needed).component, systems))
    archive = next((each for each in needed.archives if file.name in map(_name, each.urls)), None)
    if archive is None:
        names = sorted({_name(each.urls[0]) for each in needed.archives})
        raise UsageError("this is neither a package nor a saved image nor an archive that the inventory wants", where=str(file),
                         hint=f"archives are known by their name: {', '.join(names) or 'none is wanted'}")
    return _archive(file, archive)


def _locked(file: Path, lock: Lock) -> tuple[Locked, ...]:
    """The lines that name these very bytes: whatever they are, they are wanted."""
    size = file.stat().st_size
    alike = [a for a in lock.artefacts if a.kind != IMAGE and a.size in (0, size)]
    digest = f"sha256:{file_sha256(file)}" if alike else ""
    return tuple(a for a in alike if a.digest == digest)


def package(found: Described, component: str, systems: Iterable[System], origin: str = BROUGHT) -> tuple[Locked, ...]:
    """The lines of a Debian package, for those of the systems that it is built for. Raises UsageError where it fits none."""
    fitting = [system for system in systems if system.codename and found.architecture in (_ANY_ARCHITECTURE, system.architecture)]
    if not fitting:
        names = ", ".join(sorted(system.name for system in systems)) or "none"
        raise UsageError(f"{found.package} {found.version} is for {found.architecture}, the hosts' systems are {names}",
                         where=str(found.path), hint="bring the package that is built for the hosts, or lock for their systems first")
    name = served_name(f"{found.package}_{found.version.replace(':', '.')}_{found.architecture}.deb")
    digest, size = f"sha256:{file_sha256(found.path)}", found.path.stat().st_size
    return tuple(Locked(PACKAGE, found.package, found.version, digest, size, component, system.name, origin=origin, needs=found.depends,
                        path=f"www/apt/pool/{system.codename}/{OWN}/{name}") for system in fitting)


def _asking(found: Described, needed: Needed) -> NeededPackage:
    """What asks for a package. Raises UsageError where nothing does, or for another version."""
    mine = [each for each in needed.packages if each.manager == "apt"]
    named = [each for each in mine if each.name == found.package]
    if not named:
        names = ", ".join(sorted({f"{each.name} {each.version}" for each in mine if each.version}))
        raise UsageError(f"no component of this inventory asks for the package {found.package}", where=str(found.path),
                         hint=f"with a version it asks for {names or 'none'}; choose others with cluster_versions")
    if fitting := [each for each in named if not each.version or same_version(found.version, each.version)]:
        return fitting[0]
    raise UsageError(f"this is {found.package} {found.version}, the inventory wants {named[0].version}", where=str(found.path),
                     hint=f"bring that one, or choose this with cluster_versions: {{{named[0].component}: {found.version}}}")


def _archive(file: Path, wanted: NeededArchive) -> Added:
    """The line of an archive, which is what its vendor says as far as the vendor can be asked."""
    _refuse_cut(file)
    doubt = ""
    try:
        algorithm, expected = archives.expected(wanted)
        if (own := file_checksum(file, algorithm)) != expected:
            raise UsageError(f"it has the {algorithm} {own}, published is {expected}", where=str(file), hint=archives.HINT)
    except NoAnswerError as error:
        doubt = f"{file.name} could not be compared with what its vendor publishes: {error.message}"
    line = Locked(ARCHIVE, _name(wanted.urls[0]), wanted.version, f"sha256:{file_sha256(file)}", file.stat().st_size, wanted.component,
                  origin=BROUGHT)
    return Added((line,), doubt)


def _refuse_cut(file: Path) -> None:
    """Raises UsageError for an archive that can't be read to its end."""
    broken = None
    try:
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as packed:
                broken = packed.testzip()
        else:
            with tarfile.open(file) as archive:
                broken = None if read_to_the_end(archive) else "it has no end"
    except _DAMAGED as error:
        broken = str(error)
    if broken is not None:
        raise UsageError(f"the archive is cut or damaged: {broken}", where=str(file), hint="copy or download it again")


def place(file: Path, lines: Iterable[Locked], folder: Folder, of: Lock) -> None:
    """Copies a file to where its lines say, whole or not at all. Raises UsageError."""
    for line in lines:
        target, arriving = folder.file(line, of), folder.arriving / f"{line.digest.removeprefix('sha256:')}.added"
        folder.refuse_full(file.stat().st_size)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, arriving)
            if f"sha256:{file_sha256(arriving)}" != line.digest:
                raise UsageError("the file changed while it was copied", where=str(file), hint="try again when it is complete")
            arriving.chmod(0o644)
            arriving.replace(target)
        except OSError as error:
            raise UsageError(f"the file can't be copied into the mirror: {error.strerror}", where=str(target),
                             hint="make room, or make the mirror's folder writable") from error
        finally:
            arriving.unlink(missing_ok=True)


def recorded(lock: Lock, systems: Iterable[System], lines: Iterable[Locked]) -> Lock:
    """The lock with these lines, in the place of those of the same name.

    Raises UsageError where one has other content at the same version.
    """
    new = {line.key: line for line in lines}
    for old in lock.artefacts:
        line = new.get(old.key)
        if line and (line.version, line.name) == (old.version, old.name) and line.digest != old.digest:
            raise UsageError(f"{line.kind} {line.name} {line.version}{f' ({line.system})' if line.system else ''}: other content under the "
                             f"same version: locked is {old.digest}, this is {line.digest}", hint=_CHANGED)
    kept = tuple(old for old in lock.artefacts if old.key not in new)
    return replace(lock, systems=tuple(dict.fromkeys([*lock.systems, *systems])), artefacts=(*kept, *new.values()))


def _name(url: str) -> str:
    return unquote(url.partition("?")[0].rpartition("/")[2])
