"""A mirror that the cluster runs itself: what it serves is what the hosts install, unless the inventory names another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.components import SITE

MIRROR, REGISTRY, LIST = "cluster_mirror", "cluster_registry", "cluster_catalogue"
#: What makes a folder a mirror, as its health digests it.
_LISTS = ("provision.lock", "catalogue.json")


def host(cluster: Cluster) -> Host | None:
    """The one that serves."""
    return next(iter(cluster.members(SITE.name)), None)


def folder(cluster: Cluster) -> Path | None:
    """What it is to serve, on this machine; None where nobody serves or nothing is named."""
    found = host(cluster)
    named = str(found.variables.get(_site().folder) or "") if found else ""
    return cluster.path.parent / Path(named).expanduser() if named else None


def content(cluster: Cluster) -> str:
    """A SHA-256 of what it is to serve; '' where the folder is not there or was never filled as a whole."""
    found = folder(cluster)
    lists = [found / "www" / name for name in _LISTS] if found else []
    if not lists or not all(path.is_file() for path in lists):
        return ""
    return hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()


def doubts(cluster: Cluster) -> Iterator[str]:
    """What there is to say of a mirror that can't serve yet."""
    serving, found = host(cluster), folder(cluster)
    if serving and not content(cluster):
        name = _site().folder
        yield (f"{serving.where}: {serving.name} is to serve {found}, which is no mirror yet, so all comes from elsewhere: "
               f"'provision lock', then 'provision mirror pull {found}'" if found else
               f"{serving.where}: {serving.name} has nothing to serve: set {name} to the folder of 'provision mirror pull'")


def is_source(cluster: Cluster) -> bool:
    """Whether the hosts install from it."""
    return bool(cluster.variables.get(MIRROR)) and cluster.variables.get(LIST) == str(_catalogue(cluster) or "")


def addresses(cluster: Cluster) -> tuple[str, ...]:
    """How the addresses begin of what the hosts install from it; none where they do not."""
    if not is_source(cluster):
        return ()
    return str(cluster.variables[MIRROR]), *(f"{scheme}://{cluster.variables[REGISTRY]}" for scheme in ("http", "https"))


def as_source(cluster: Cluster, defaults: Mapping[str, Any]) -> Cluster:
    """The cluster whose hosts install from its own mirror; unchanged where it has none, none that is filled, or names another."""
    serving, found = host(cluster), _catalogue(cluster)
    if not serving or not found or any(cluster.variables.get(name) for name in (MIRROR, REGISTRY, LIST)) or not content(cluster):
        return cluster
    port, registry_port = (serving.variables.get(name, defaults[name]) for name in (_site().port, _site().registry_port))
    places = {MIRROR: f"http://{serving.cluster_address}:{port}", REGISTRY: f"{serving.cluster_address}:{registry_port}", LIST: str(found)}
    return replace(cluster, variables={**cluster.variables, **places})


def _catalogue(cluster: Cluster) -> Path | None:
    found = folder(cluster)
    return found / "www" / _LISTS[1] if found else None


def _site() -> Any:
    assert SITE.site is not None  # noqa: S101 - by which it was found
    return SITE.site
