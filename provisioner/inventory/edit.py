"""Changes to an inventory that its owner asked for, with comments and order kept."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any

from ruamel.yaml import YAML

from provisioner.errors import InventoryError


def without_hosts(text: str, names: Collection[str], source: str) -> str:
    """The inventory without these hosts, wherever they stand below a `hosts:`. Raises InventoryError for one that stands nowhere."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    tree = yaml.load(text)
    found = _delete(tree, names)
    missing = sorted(set(names) - found)
    if missing:
        raise InventoryError(f"{', '.join(missing)} can't be taken out: not written by name, but as part of a range", where=source,
                             hint="write the hosts of that range one by one first")
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def _delete(node: Any, names: Collection[str]) -> set[str]:
    if not isinstance(node, dict):
        return set()
    found: set[str] = set()
    hosts = node.get("hosts")
    if isinstance(hosts, dict):
        found = {name for name in names if name in hosts}
        for name in found:
            del hosts[name]
    return found.union(*(_delete(child, names) for key, child in node.items() if key != "hosts"))
