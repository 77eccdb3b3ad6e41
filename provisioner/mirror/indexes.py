"""Indexes and signs the packages of a mirror, for apt and for dnf."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from provisioner.cluster.lock import PACKAGE, Lock, System
from provisioner.mirror import repository
from provisioner.mirror.folder import Folder
from provisioner.mirror.programs import Say, run, working
from provisioner.mirror.repository import Key
from provisioner.state.files import rewrite

LABEL = "provisioner mirror"
_INDEX_SECONDS = 600.0


def publish(folder: Folder, lock: Lock, say: Say, *, changed: bool) -> str:
    """Does so where they are others than before; gives the fingerprint of the key, '' where there are no packages."""
    systems = {system: files for system in sorted(lock.systems) if (files := _files(folder, lock, system))}
    if not systems:
        return ""
    key = repository.signing_key(folder.key, LABEL)
    places = [folder.apt / "dists" / each.codename / "InRelease" if each.codename else folder.rpms(each) / "repodata" / "repomd.xml.asc"
              for each in systems]
    if not changed and all(place.is_file() for place in places):
        return key.fingerprint
    with working(say, "index of packages"):
        # Made beside what is served, and then moved there: hosts never read one half of it.
        scratch = folder.arriving / "repository"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        _apt(folder, {each: files for each, files in systems.items() if each.codename}, key, scratch)
        for system, files in systems.items():
            if not system.codename:
                _yum(folder, system, files, key, scratch / "yum" / system.name)
        shutil.rmtree(scratch)
    return key.fingerprint


def _files(folder: Folder, lock: Lock, system: System) -> list[Path]:
    return [folder.file(each, lock) for each in lock.artefacts if each.kind == PACKAGE and each.system == system.name]


def _apt(folder: Folder, systems: Mapping[System, list[Path]], key: Key, scratch: Path) -> None:
    named: dict[str, dict[str, set[str]]] = {}
    for system, files in systems.items():
        paths = {str(file.relative_to(folder.apt)) for file in files}
        named.setdefault(system.codename, {}).setdefault(system.architecture, set()).update(paths)
    if not named:
        return
    (scratch / "pool").symlink_to((folder.apt / "pool").resolve())
    for codename, architectures in named.items():
        for architecture, paths in architectures.items():
            repository.publish(scratch, codename, architecture, key, scratch / "memory", label=LABEL, only=paths)
        _swap(scratch / "dists" / codename, folder.apt / "dists" / codename, scratch / f"old-{codename}")
    written(folder.apt / "key.asc", (scratch / "key.asc").read_text())


def _yum(folder: Folder, system: System, files: list[Path], key: Key, scratch: Path) -> None:
    """The RPMs of one system; what they are signed with themselves stays as it is."""
    root = folder.rpms(system)
    scratch.mkdir(parents=True)
    listed = scratch / "listed"
    listed.write_text("".join(f"{file.relative_to(root)}\n" for file in sorted(files)))
    # Compressed as every Python can read it: preflight looks at what a mirror has.
    options = ["--no-database", "--checksum", "sha256", "--general-compress-type", "gz", "--pkglist", str(listed)]
    repository.publish_yum(scratch, key, lambda arguments: run(
        ["createrepo_c", *arguments, *options, "--outputdir", str(scratch), str(root)], what="index of the RPMs", timeout=_INDEX_SECONDS))
    _swap(scratch / "repodata", root / "repodata", scratch / "old")
    written(folder.yum / "key.asc", repository.public_key(key))


def _swap(new: Path, served: Path, old: Path) -> None:
    """Puts an index in the place of another, unless it lists the same: then its signature stays as it is."""
    if _lists(new) == _lists(served) and any((served / name).is_file() for name in ("InRelease", "repomd.xml.asc")):
        return
    served.parent.mkdir(parents=True, exist_ok=True)
    if served.exists():
        served.rename(old)
    new.rename(served)


def _lists(index: Path) -> dict[str, bytes]:
    """The lists of packages by their names, which for dnf have their checksum in them."""
    return {str(path.relative_to(index)): path.read_bytes() for name in ("Packages*", "*.xml.gz") for path in index.rglob(name)}


def written(path: Path, text: str) -> None:
    """Writes a file that others may read, unless it is so already."""
    if not path.is_file() or path.read_text() != text:
        rewrite(path, text.encode())
        path.chmod(0o644)
