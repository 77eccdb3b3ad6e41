"""The facts of the last look, beside the ledger: with them the next look can ask its whole question at once.

Never believed: every host tells its facts anew in the same answer, and what was decided with others is decided again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.state.files import private_dir, write_private

Facts = Mapping[str, Mapping[str, Any]]


def read(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """By host, in Ansible's words, as far as they are of the inventory; empty when there are none, or none that make sense."""
    try:
        found = json.loads(_path(cluster).read_text())
    except (OSError, ValueError):
        return {}
    names = {h.name for h in cluster.hosts}
    return {name: own for name, own in found.items() if name in names and isinstance(own, dict)} if isinstance(found, dict) else {}


def keep(cluster: Cluster, facts: Facts) -> None:
    """Add those of some hosts."""
    path = _path(cluster)
    private_dir(path.parent)
    write_private(path, json.dumps({**read(cluster), **facts}, sort_keys=True).encode())


def _path(cluster: Cluster) -> Path:
    return cluster.state_dir / "facts.json"
