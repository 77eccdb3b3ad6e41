"""The catalogue of a site's mirror, out of its lock: the entries that the inventory uses, from the mirror instead of the vendors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.cluster.catalogue import REPOSITORY, Catalogue, Entry
from provisioner.cluster.lock import ARCHIVE, IMAGE, PACKAGE, Lock, Locked
from provisioner.mirror.artefacts import VERIFY
from provisioner.mirror.brought import without_registry
from provisioner.mirror.folder import Folder

#: What of an entry says where vendors have it.
_VENDORS = ("urls", "checksum", "apt", "yum", "key_url", "key_fingerprint", "mirror_required", "default", "file", "sha256", "digest")
#: What is locked for `verify` has an entry of its own.
_ENTRIES = {VERIFY: "busybox"}


def entries(lock: Lock, folder: Folder, catalogue: Catalogue, variables: Mapping[str, Any], fingerprint: str) -> list[dict[str, Any]]:
    """The catalogue, as a list ready for JSON; `variables` are the cluster's, `fingerprint` is of the key that signs its packages."""
    rows: list[dict[str, Any]] = []
    if any(artefact.kind == PACKAGE for artefact in lock.artefacts):
        rows.append({"component": REPOSITORY, "version": "1", "kind": REPOSITORY, "uri": "apt", "suite": "{codename}",
                     "components": ["main"], "key": "apt/key.asc", "key_fingerprint": fingerprint})
    asked = [artefact for artefact in lock.artefacts if artefact.component and artefact.asked]
    for component in sorted({artefact.component for artefact in asked}):
        entry = catalogue.wanted(_ENTRIES.get(component, component), variables)
        own = [artefact for artefact in asked if artefact.component == component and entry and artefact.kind == entry.kind]
        if entry and own:
            rows.append({"component": entry.component, "version": entry.version, "kind": entry.kind,
                         **{name: value for name, value in entry.data.items() if name not in _VENDORS},
                         **_place(entry, own[0], lock, folder)})
    return rows


def _place(entry: Entry, artefact: Locked, lock: Lock, folder: Folder) -> dict[str, str]:
    if entry.kind == ARCHIVE:
        path = folder.file(artefact, lock).relative_to(folder.www)
        return {"file": str(path), "sha256": artefact.digest.removeprefix("sha256:")}
    return {"image": without_registry(artefact.name), "digest": artefact.digest} if entry.kind == IMAGE else {}
