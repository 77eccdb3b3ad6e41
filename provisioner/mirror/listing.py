"""The catalogue of a site's mirror, out of its lock: the entries that the inventory uses, from the mirror instead of the vendors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.cluster.catalogue import REPOSITORY, Catalogue, Entry
from provisioner.mirror.artefacts import VERIFY
from provisioner.mirror.brought import without_registry
from provisioner.mirror.folder import Folder
from provisioner.mirror.lock import ARCHIVE, IMAGE, PACKAGE, Lock, Locked
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
        rows.append({"component": REPOSITORY, "version": "1", "kind": REPOSITORY, **_repositories(lock), "key_fingerprint": fingerprint})
    asked = [artefact for artefact in lock.artefacts if artefact.component and artefact.asked]
    for component in sorted({artefact.component for artefact in asked}):
        entry = catalogue.wanted(_ENTRIES.get(component, component), variables)
        own = [artefact for artefact in asked if artefact.component == component and entry and artefact.kind == entry.kind]
        if entry and own:
            rows.append({"component": entry.component, "version": entry.version, "kind": entry.kind,
                         **{name: value for name, value in entry.data.items() if name not in _VENDORS},
                         **_place(entry, own, lock, folder)})
    return rows


def sums(lock: Lock, folder: Folder) -> str:
    """The checksums of all archives, as sha256sum writes them."""
    rows = {folder.file(each, lock).name: each.digest.removeprefix("sha256:") for each in lock.artefacts if each.kind == ARCHIVE}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(rows.items()))


def _repositories(lock: Lock) -> dict[str, Any]:
    """Where they are for apt and for dnf, and the key of both."""
    systems = {each.system for each in lock.artefacts if each.kind == PACKAGE}
    families = {bool(each.codename) for each in lock.systems if each.name in systems}
    apt = {"uri": "apt", "suite": "{codename}", "components": ["main"], "key": "apt/key.asc"} if True in families else {}
    # The packages are signed by many vendors, and those that nobody signed are there, too: what is trusted is the index, as apt does.
    told = {"baseurl": "yum/{distribution}$releasever/$basearch", "repo_gpgcheck": True, "gpgcheck": False}
    return {**apt, **({"yum": told} if False in families else {}), **({} if apt else {"key": "yum/key.asc"})}


def _place(entry: Entry, own: Sequence[Locked], lock: Lock, folder: Folder) -> dict[str, str]:
    artefact = own[0]
    if entry.kind == ARCHIVE:
        path = folder.file(artefact, lock).relative_to(folder.www)
        if len(own) > 1:  # one for each architecture, which their names tell
            word = next(each for each in MACHINES if each in path.name)
            return {"file": str(path).replace(word, "{arch}"), "checksum_file": SUMS}
        return {"file": str(path), "sha256": artefact.digest.removeprefix("sha256:")}
    return {"image": without_registry(artefact.name), "digest": artefact.digest} if entry.kind == IMAGE else {}
