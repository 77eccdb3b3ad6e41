"""The lock that the last whole `up` followed, as it was then: what has moved since is what differs from it."""

from __future__ import annotations

from pathlib import Path

from provisioner.cluster import lock
from provisioner.cluster.lock import Lock
from provisioner.cluster.model import Cluster
from provisioner.state.files import private_dir, write_private


def read(cluster: Cluster) -> Lock | None:
    """None where none was followed. Raises InventoryError where the file was damaged."""
    return lock.read(_path(cluster))


def keep(cluster: Cluster, followed: Lock | None) -> None:
    """From now on this one was the last; None: none is followed any more."""
    path = _path(cluster)
    if followed is None:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_bytes() != str(followed).encode():  # also where it was damaged
        private_dir(path.parent)
        write_private(path, str(followed).encode())


def _path(cluster: Cluster) -> Path:
    return cluster.state_dir / lock.NAME
