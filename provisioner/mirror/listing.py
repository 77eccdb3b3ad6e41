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
from provisioner.mirror.systems import MACHINES

#: What of an entry says where vendors have it.
_VENDORS = ("urls", "checksum", "apt", "yum", "key_url", "key_fingerprint", "mirror_required", "default", "file", "sha256", "digest",
            "checksum_file")
#: Where the checksums of archives lie below www.
SUMS = "archives/SHA256SUMS"
#: What is locked for `verify` has an entry of its own.
_ENTRIES = {VERIFY: "busybox"}


def entries(lock: Lock, folder: Folder, catalogue: Catalogue, variables: Mapping[str, Any], fingerprint: str) -> list[dict[str, Any]]:
    """The catalogue, as a list ready for JSON; `variables` are the cluster's, `fingerprint` is of the key that signs its packages."""
    rows: list[dict[str, Any]] = []
    if any(artefact.kind == PACKAGE for artefact in lock.artefacts):
        rows.append(_repositories(lock, fingerprint))
    asked = [artefact for artefact in lock.artefacts if artefact.component and artefact.asked]
    for component in sorted({artefact.component for artefact in asked}):
        entry = catalogue.wanted(_ENTRIES.get(component, component), variables)
        own = [artefact for artefact in asked if artefact.component == component and entry and artefact.kind == entry.kind]
        if entry and own:
            known = {name: value for name, value in entry.data.items() if name not in _VENDORS}
            rows.append(_row(entry, own, lock, folder, known))
    return rows


def _row(entry: Entry, own: Sequence[Locked], lock: Lock, folder: Folder, known: Mapping[str, Any]) -> dict[str, Any]:
    artefact = own[0]
    if entry.kind == ARCHIVE:
        file = str(folder.file(artefact, lock).relative_to(folder.www))
        if len(own) > 1:  # one for each architecture, which their names tell
            word = next(each for each in MACHINES if each in artefact.name)
            place = {"file": file.replace(word, "{arch}"), "checksum_file": SUMS}
            return {"component": entry.component, "version": entry.version, "kind": ARCHIVE, **known, **place}
        return archive(entry.component, entry.version, file, artefact.digest.removeprefix("sha256:"), **known)
    if entry.kind == IMAGE:
        return image(entry.component, entry.version, without_registry(artefact.name), artefact.digest, **known)
    return package(entry.component, entry.version, **known)


def sums(lock: Lock, folder: Folder) -> str:
    """The checksums of archives that there are for several processors, as sha256sum writes them."""
    archives = [each for each in lock.artefacts if each.kind == ARCHIVE]
    several = [each for each in archives if sum(other.component == each.component for other in archives) > 1]
    rows = {folder.file(each, lock).name: each.digest.removeprefix("sha256:") for each in several}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(rows.items()))


def _repositories(lock: Lock, fingerprint: str) -> dict[str, Any]:
    """Where they are for apt and for dnf, and the key of both."""
    systems = {each.system for each in lock.artefacts if each.kind == PACKAGE}
    families = {bool(each.codename) for each in lock.systems if each.name in systems}
    found = repository(fingerprint)
    if False in families:
        # The packages are signed by many vendors, and those that nobody signed are there, too: what is trusted is the index, as apt does.
        found["yum"] = {"baseurl": "yum/{distribution}$releasever/$basearch", "repo_gpgcheck": True, "gpgcheck": False}
    if True not in families:
        found = {**{name: value for name, value in found.items() if name not in ("uri", "suite", "components")}, "key": "yum/key.asc"}
    return found


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
