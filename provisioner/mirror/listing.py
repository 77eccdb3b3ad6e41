"""The catalogue of a mirror: entries that name what it has instead of the vendors; of a site's mirror out of its lock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
        rows.append(repository(fingerprint))
    asked = [artefact for artefact in lock.artefacts if artefact.component and artefact.asked]
    for component in sorted({artefact.component for artefact in asked}):
        entry = catalogue.wanted(_ENTRIES.get(component, component), variables)
        own = [artefact for artefact in asked if artefact.component == component and entry and artefact.kind == entry.kind]
        if entry and own:
            known = {name: value for name, value in entry.data.items() if name not in _VENDORS}
            rows.append(_row(entry, own[0], lock, folder, known))
    return rows


def _row(entry: Entry, artefact: Locked, lock: Lock, folder: Folder, known: Mapping[str, Any]) -> dict[str, Any]:
    if entry.kind == ARCHIVE:
        file = str(folder.file(artefact, lock).relative_to(folder.www))
        return archive(entry.component, entry.version, file, artefact.digest.removeprefix("sha256:"), **known)
    if entry.kind == IMAGE:
        return image(entry.component, entry.version, without_registry(artefact.name), artefact.digest, **known)
    return package(entry.component, entry.version, **known)


def repository(fingerprint: str, codename: str = "", **more: Any) -> dict[str, Any]:
    """The repository of packages below `apt`, of one release or of each under its name; `fingerprint` is of the key that signs it."""
    return {"component": REPOSITORY, "version": codename or "1", "kind": REPOSITORY, "uri": "apt", "suite": codename or "{codename}",
            "components": ["main"], "key": "apt/key.asc", "key_fingerprint": fingerprint, **more}


def package(component: str, version: str, **more: Any) -> dict[str, Any]:
    """A package in it."""
    return {"component": component, "version": version, "kind": PACKAGE, **more}


def archive(component: str, version: str, file: str, sha256: str, **more: Any) -> dict[str, Any]:
    """A file, by its path on the web server and its SHA-256 in hex."""
    return {"component": component, "version": version, "kind": ARCHIVE, **more, "file": file, "sha256": sha256}


def image(component: str, version: str, name: str, digest: str, **more: Any) -> dict[str, Any]:
    """An image, by its name in the registry with a tag, and the digest of its manifest."""
    return {"component": component, "version": version, "kind": IMAGE, **more, "image": name, "digest": digest}


def text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The content of catalogue.json."""
    return json.dumps(rows, indent=1) + "\n"
