"""Fills a site's mirror with what a lock names, and publishes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.cluster import lock as locks
from provisioner.cluster.catalogue import Catalogue
from provisioner.cluster.lock import MADE, Lock, Locked
from provisioner.errors import ProvisionError
from provisioner.mirror import indexes, listing, pull_images, rpms
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.download import download, total
from provisioner.mirror.folder import Folder, wanted
from provisioner.mirror.programs import Say


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
        rpms.refuse_without_programs(lock)
        faults = [fault.error for fault in download(files, folder.arriving, say)] if files else []
        refused = pull_images.fetch(folder, images, pull_images.architectures(lock), ways or {}, say)
        came = len(files) - len(faults) + len(images) - len(refused)
        forged = [] if lost or faults else rpms.unsigned(folder, lock)
        if lost or faults or refused or forged:
            return Pulled(came - len(forged), (*lost, *faults, *refused, *forged))
        fingerprint = indexes.publish(folder, lock, say, changed=bool(came) or str(folder.lock or "") != str(lock))
        rows = listing.entries(lock, folder, catalogue, variables, fingerprint)
        indexes.written(folder.www / "catalogue.json", listing.text(rows))
        if text := listing.sums(lock, folder):
            indexes.written(folder.www / listing.SUMS, text)
        indexes.written(folder.www / locks.NAME, str(lock))  # last: it says that all of it is there
        return Pulled(came, (), fingerprint)


def _lost(artefact: Locked, path: Path) -> ProvisionError:
    put = f"put the file with {artefact.digest} there"
    again = f"--make {artefact.component} makes it, and says if that gives other bytes; else {put}"
    return ProvisionError(f"{artefact.kind} {artefact.name} {artefact.version}: nobody serves it, and the file here is missing or another",
                          where=str(path), hint=again if artefact.origin == MADE else f"provision mirror add FILE, or {put}")
