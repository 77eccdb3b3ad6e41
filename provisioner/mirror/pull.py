"""Fills a site's mirror with what a lock names, and publishes it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.cluster import lock as locks
from provisioner.cluster.catalogue import Catalogue
from provisioner.cluster.lock import MADE, PACKAGE, Lock, Locked
from provisioner.errors import ProvisionError
from provisioner.mirror import listing, pull_images, repository
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.download import download, total
from provisioner.mirror.folder import Folder, wanted
from provisioner.mirror.programs import Say, working
from provisioner.state.files import rewrite

LABEL = "provisioner mirror"


@dataclass(frozen=True)
class Pulled:
    """What a pull did: how many files and images came, what is not there now, and the key that signs ('' without packages)."""

    came: int
    faults: tuple[ProvisionError, ...]
    fingerprint: str = ""


def pull(folder: Folder, lock: Lock, catalogue: Catalogue, variables: Mapping[str, Any], say: Say, *,
         ways: Mapping[str, NeededImage] | None = None) -> Pulled:
    """Downloads what is missing; when all is there it is published, else the mirror serves the packages and files that it served before.

    `variables` are the cluster's; `ways` say by an image's name how its registry is reached, where that is not by a certificate that
    this machine trusts. Where nothing changed nothing is asked and nothing written. Raises LockedError, UsageError, InventoryError.
    """
    with folder.ours():
        missing = folder.missing(lock)
        lost = [_lost(artefact, path) for artefact, path in missing if not artefact.url]
        files = [wanted(artefact, path) for artefact, path in missing if artefact.url]
        images = pull_images.missing(folder, lock)
        folder.refuse_full(total(files, folder.arriving) + sum(image.size for image in images))
        faults = [fault.error for fault in download(files, folder.arriving, say)] if files else []
        refused = pull_images.fetch(folder, images, pull_images.architectures(lock), ways or {}, say)
        came = len(files) - len(faults) + len(images) - len(refused)
        if lost or faults or refused:
            return Pulled(came, (*lost, *faults, *refused))
        fingerprint = _publish(folder, lock, say, changed=bool(came) or str(folder.lock or "") != str(lock))
        rows = listing.entries(lock, folder, catalogue, variables, fingerprint)
        _written(folder.www / "catalogue.json", listing.text(rows))
        _written(folder.www / locks.NAME, str(lock))  # last: it says that all of it is there
        return Pulled(came, (), fingerprint)


def _lost(artefact: Locked, path: Path) -> ProvisionError:
    put = f"put the file with {artefact.digest} there"
    again = f"--make {artefact.component} makes it, and says if that gives other bytes; else {put}"
    return ProvisionError(f"{artefact.kind} {artefact.name} {artefact.version}: nobody serves it, and the file here is missing or another",
                          where=str(path), hint=again if artefact.origin == MADE else f"provision mirror add FILE, or {put}")


def _publish(folder: Folder, lock: Lock, say: Say, *, changed: bool) -> str:
    """Indexes and signs the packages, where they are others than before; gives the fingerprint of the key."""
    named: dict[str, dict[str, set[str]]] = {}
    for system in sorted(lock.systems):
        mine = (a for a in lock.artefacts if a.kind == PACKAGE and a.system == system.name)
        if files := {str(folder.file(artefact, lock).relative_to(folder.apt)) for artefact in mine}:
            named.setdefault(system.codename, {}).setdefault(system.architecture, set()).update(files)
    if not named:
        return ""
    key = repository.signing_key(folder.key, LABEL)
    if not changed and all((folder.apt / "dists" / codename / "InRelease").is_file() for codename in named):
        return key.fingerprint
    with working(say, "index of packages"):
        # Made beside what is served, and then moved there: hosts never read one half of it.
        scratch = folder.arriving / "repository"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        (scratch / "pool").symlink_to((folder.apt / "pool").resolve())
        for codename, architectures in named.items():
            for architecture, files in architectures.items():
                repository.publish(scratch, codename, architecture, key, scratch / "memory", label=LABEL, only=files)
            _swap(scratch / "dists" / codename, folder.apt / "dists" / codename, scratch / f"old-{codename}")
        _written(folder.apt / "key.asc", (scratch / "key.asc").read_text())
        shutil.rmtree(scratch)
    return key.fingerprint


def _swap(new: Path, served: Path, old: Path) -> None:
    """Puts an index in the place of another, unless it lists the same: then its signature stays as it is."""
    if _lists(new) == _lists(served) and (served / "InRelease").is_file():
        return
    served.parent.mkdir(parents=True, exist_ok=True)
    if served.exists():
        served.rename(old)
    new.rename(served)


def _lists(dist: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dist)): path.read_bytes() for path in dist.rglob("Packages*")}


def _written(path: Path, text: str) -> None:
    """Writes a file that others may read, unless it is so already."""
    if not path.is_file() or path.read_text() != text:
        rewrite(path, text.encode())
        path.chmod(0o644)
