"""Versions, sources, checksums and constraints as data.

The built-in list names the vendors' places. A site mirror brings its own list (`cluster_catalogue`), whose entries come
before the built-in ones of the same component: what a mirror serves is what gets installed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.errors import InventoryError

KINDS = ("package", "archive", "image", "repository")
#: The key of the one entry that describes a mirror's own package repository.
REPOSITORY = "repository"


@dataclass(frozen=True)
class Entry:
    """One artefact: which component, which version, where it comes from and what it needs."""

    component: str
    version: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stand_in(self) -> bool:
        """Test equipment of the lab, not the real program."""
        return bool(self.data.get("stand_in", False))

    @property
    def maintained(self) -> str:
        """`yes`, `one-person` or `no`."""
        return str(self.data.get("maintained", "yes"))

    @property
    def pinned(self) -> str:
        """The version that is installed; empty for whatever the distribution has."""
        return "" if self.version == "distribution" else self.version

    def get(self, key: str, default: Any = "") -> Any:
        """A further field of the entry."""
        return self.data.get(key, default)


@dataclass(frozen=True)
class Catalogue:
    """All entries, the site's first."""

    entries: tuple[Entry, ...]

    def pick(self, component: str, version: str = "", profile: str = "current") -> Entry:
        """The entry of a component: the named version, else the site's first one, else the built-in default.

        Raises InventoryError that lists the known versions.
        """
        entry = self.find(component, version, profile)
        if entry:
            return entry
        known = self._known(component, profile)
        raise InventoryError(
            f"the catalogue has no {component} {version or '(default)'}",
            hint=f"cluster_versions may name one of: {', '.join(e.version for e in known) or 'none'}",
        )

    def find(self, component: str, version: str = "", profile: str = "current") -> Entry | None:
        """The same, or None. Without a version an entry of the profile comes before those of every profile."""
        found = [e for e in self._known(component, profile) if version == e.version or (not version and e.get("default", False))]
        return next((e for e in found if e.get("profile", "current") == profile), next(iter(found), None))

    def wanted(self, component: str, variables: Mapping[str, Any]) -> Entry | None:
        """The entry that a cluster with these `cluster_*` variables uses, or None."""
        return self.find(component, *self.choice(component, variables))

    def choice(self, component: str, variables: Mapping[str, Any]) -> tuple[str, str]:
        """The version of a component ('' for any) and the profile that `cluster_*` variables ask for."""
        versions = variables.get("cluster_versions") or {}
        return str(versions.get(component, "")), str(variables.get("cluster_profile") or "current")

    def _known(self, component: str, profile: str) -> list[Entry]:
        return [e for e in self.entries if e.component == component and e.get("profile", "current") in ("current", profile)]

    def repository(self) -> Entry | None:
        """The mirror's own package repository, where the site's list names one."""
        return next((e for e in self.entries if e.component == REPOSITORY), None)


def of(cluster: Cluster) -> Catalogue:
    """The catalogue of a cluster: what its site's mirror has, before the built-in list. Raises InventoryError."""
    own = str(cluster.variables.get("cluster_catalogue") or "")
    return load(cluster.path.parent / own if own else None)


def load(site: Path | None = None) -> Catalogue:
    """The built-in catalogue with the site's entries before it. Raises InventoryError for a site file that is not one."""
    builtin = json.loads((Path(__file__).parent / "builtin.json").read_text())
    own = _read(site) if site else []
    overridden = {item["component"] for item in own}
    entries = [_entry({"default": True, **item}, site) for item in own]
    entries += [_entry({**i, "default": i.get("default", False) and i["component"] not in overridden}, None) for i in builtin]
    return Catalogue(tuple(entries))


def _read(path: Path) -> Sequence[dict[str, Any]]:
    hint = "cluster_catalogue is the list of artefacts of the mirror: http://<mirror>/catalogue.json"
    try:
        items = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InventoryError(f"the site's catalogue can't be read: {error}", where=str(path), hint=hint) from error
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise InventoryError("the site's catalogue is not a list of entries", where=str(path), hint=hint)
    return items


def _entry(item: Mapping[str, Any], path: Path | None) -> Entry:
    for key in ("component", "version", "kind"):
        if not isinstance(item.get(key), str):
            raise InventoryError(f"an entry has no {key}: {dict(item)}", where=str(path or "built-in catalogue"))
    if item["kind"] not in KINDS:
        raise InventoryError(
            f"{item['component']} {item['version']}: unknown kind {item['kind']!r}",
            where=str(path or "built-in catalogue"), hint=f"one of {', '.join(KINDS)}",
        )
    rest = {k: v for k, v in item.items() if k not in ("component", "version", "kind")}
    return Entry(item["component"], item["version"], item["kind"], rest)
