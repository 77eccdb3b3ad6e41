"""Looks at a mirror's folder again: every file, the index of its packages with its signature, the catalogue, the images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from provisioner.cluster import catalogue
from provisioner.cluster import lock as locks
from provisioner.cluster.lock import IMAGE, PACKAGE, Lock
from provisioner.errors import InventoryError, ProvisionError, UsageError
from provisioner.mirror import listing, pull_images, repodata
from provisioner.mirror.files import file_sha256
from provisioner.mirror.folder import Folder
from provisioner.mirror.keys import fingerprints, holding, holding_only
from provisioner.mirror.programs import attempt
from provisioner.mirror.storage import Storage

_LISTED = re.compile(r"^ ([0-9a-f]{64}) +(\d+) (\S+)$", re.MULTILINE)


def of(folder: Folder) -> Lock:
    """The lock of a mirror. Raises UsageError where the folder is none, or was never pulled as a whole."""
    if (found := folder.lock) is None:
        raise UsageError("this is no mirror that was pulled as a whole: it has no www/" + locks.NAME, where=str(folder.root),
                         hint="run `provision mirror pull` until it ends well, or name another folder")
    return found


def check(folder: Folder, lock: Lock) -> Iterator[str]:
    """Sentences about all that is not as it should be."""
    yield from _files(folder, lock)
    yield from _packages(folder, lock)
    yield from _catalogue(folder, lock)
    storage = Storage(folder.registry)
    for artefact in lock.artefacts:
        if artefact.kind == IMAGE:
            found = storage.faults(*pull_images.place(artefact), pull_images.architectures(lock), hashing=True)
            yield from (f"image {artefact.name}: {fault}" for fault in found)


def _files(folder: Folder, lock: Lock) -> Iterator[str]:
    for artefact in lock.artefacts:
        if artefact.kind != IMAGE:
            path = folder.file(artefact, lock)
            if not path.is_file():
                yield f"{path}: it is missing"
            elif (found := f"sha256:{file_sha256(path)}") != artefact.digest:
                yield f"{path} has {found}, locked is {artefact.digest}: remove it and pull again"


def _packages(folder: Folder, lock: Lock) -> Iterator[str]:
    for system in lock.systems:
        mine = [a for a in lock.artefacts if a.kind == PACKAGE and a.system == system.name]
        if not mine:
            continue
        if not system.codename:
            root = folder.rpms(system)
            places = {str(folder.file(each, lock).relative_to(root)): each.digest.removeprefix("sha256:") for each in mine}
            yield from repodata.faults(root, folder.yum / "key.asc", places)
            continue
        dist = folder.apt / "dists" / system.codename
        index = dist / "main" / f"binary-{system.architecture}" / "Packages"
        try:
            signed = _signed(dist / "InRelease", folder.apt / "key.asc")
            text = index.read_text()
        except (OSError, ProvisionError) as error:
            yield f"{dist}: {getattr(error, 'message', '') or error}"
            continue
        for digest, _, name in _LISTED.findall(signed):
            if not (dist / name).is_file() or file_sha256(dist / name) != digest:
                yield f"{dist / name} is not what its signature says"
        listed = {(fields.get("Filename"), fields.get("SHA256")) for each in text.split("\n\n") if (fields := _fields(each))}
        for artefact in mine:
            path = str(folder.file(artefact, lock).relative_to(folder.apt))
            if (path, artefact.digest.removeprefix("sha256:")) not in listed:
                yield f"{index} does not list {path} as it is locked"


def _signed(file: Path, key: Path) -> str:
    """What is signed with a key, and with no other. Raises ProvisionError, OSError."""
    with holding_only(key) as gpg:
        done = attempt([*gpg, "--decrypt", str(file)])
    if done.returncode:
        raise ProvisionError(f"{file.name} is not signed by the key in {key.name}")
    return done.stdout.decode(errors="replace")


def _fields(paragraph: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and not line.startswith(" "))


def _catalogue(folder: Folder, lock: Lock) -> Iterator[str]:
    path = folder.www / "catalogue.json"
    try:
        known = catalogue.load(path)
    except InventoryError as error:
        yield f"{path}: {error.message}"
        return
    if (repository := known.repository()) and (key := folder.www / str(repository.get("key"))).is_file():
        with holding(key.read_bytes()) as (_, listed):
            if repository.get("key_fingerprint") not in fingerprints(listed):
                yield f"{path}: the fingerprint of the repository's key is another one than that of {key}"
    locked = {str(folder.file(a, lock).relative_to(folder.www)): a.digest for a in lock.artefacts if a.kind != IMAGE}
    for entry in known.entries:
        name = str(entry.get("file") or "")
        if name and entry.get("checksum_file"):
            sums = folder.www / listing.SUMS
            if not sums.is_file() or sums.read_text() != listing.sums(lock, folder):
                yield f"{sums} does not say what is locked"
        elif name and locked.get(name) != f"sha256:{entry.get('sha256')}":
            yield f"{path}: {name} of {entry.component} is not what is locked"


def spare(folder: Folder, lock: Lock) -> list[tuple[Path, int]]:
    """The files that the lock does not name, and what never came whole, each with its size in bytes."""
    kept = {folder.www / listing.SUMS, *(folder.file(artefact, lock) for artefact in lock.artefacts if artefact.kind != IMAGE)}
    places = (folder.apt / "pool", folder.www / "archives", folder.www / "keys", folder.arriving)
    there = [*(path for place in places for path in sorted(place.rglob("*"))), *sorted(folder.yum.rglob("*.rpm"))]
    found = [path for path in there if path.is_file() and not path.is_symlink()]
    storage, wanted = Storage(folder.registry), pull_images.architectures(lock)
    images = [storage.named_by(pull_images.place(each)[2], wanted) for each in lock.artefacts if each.kind == IMAGE]
    spare = [path for path in found if path not in kept] + storage.spare(set().union(*images))
    return [(path, path.stat().st_size) for path in spare]
