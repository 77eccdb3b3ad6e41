"""Takes files that nobody serves into a mirror and into the lock: what this machine made, and what the user brought."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror import debs
from provisioner.mirror.debs import Described
from provisioner.mirror.files import file_sha256
from provisioner.mirror.folder import Folder
from provisioner.mirror.lock import BROUGHT, PACKAGE, Lock, Locked, System
from provisioner.mirror.repository import OWN, served_name

ANY_ARCHITECTURE = "all"
_CHANGED = "a file that changes needs another version; if this one is right, take the line of the other out of the lock and add it again"


@dataclass(frozen=True)
class Added:
    """A file for a mirror, and the lines by which a lock has it."""

    file: Path
    lines: tuple[Locked, ...]


def package(file: Path, component: str, systems: Iterable[System], origin: str = BROUGHT) -> Added:
    """A Debian package for those of the systems that it is built for. Raises UsageError for a damaged one, and for one that fits none."""
    found = debs.described(file)
    fitting = [system for system in systems if system.codename and found.architecture in (ANY_ARCHITECTURE, system.architecture)]
    if not fitting:
        names = ", ".join(sorted(system.name for system in systems)) or "none"
        raise UsageError(f"{found.package} {found.version} is for {found.architecture}, the hosts' systems are {names}", where=str(file),
                         hint="bring the package that is built for the hosts, or name their systems: --system debian12/amd64")
    return Added(file, tuple(_line(found, component, system, origin) for system in fitting))


def _line(found: Described, component: str, system: System, origin: str) -> Locked:
    name = served_name(f"{found.package}_{found.version.replace(':', '.')}_{found.architecture}.deb")
    return Locked(PACKAGE, found.package, found.version, f"sha256:{file_sha256(found.path)}", found.path.stat().st_size, component,
                  system.name, path=f"www/apt/pool/{system.codename}/{OWN}/{name}", origin=origin, needs=found.depends)


def place(added: Added, folder: Folder, of: Lock) -> None:
    """Copies a file to where its lines say, whole or not at all. Raises UsageError."""
    folder.refuse_full(added.file.stat().st_size * len(added.lines))
    for line in added.lines:
        target, arriving = folder.file(line, of), folder.arriving / f"{line.digest.removeprefix('sha256:')}.added"
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(added.file, arriving)
            if f"sha256:{file_sha256(arriving)}" != line.digest:
                raise UsageError("the file changed while it was copied", where=str(added.file), hint="try again when it is complete")
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
