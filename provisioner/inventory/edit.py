"""Changes to an inventory that its owner asked for: whole lines go, all others stay byte by byte."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from provisioner.errors import InventoryError
from provisioner.state.yaml_document import Node, parse


def without_hosts(text: str, names: Collection[str], source: str) -> str:
    """The inventory without these hosts, wherever they stand below a `hosts:`.

    Comments stay, those above a host too: nobody but their owner knows what they speak of. Raises InventoryError for a host that
    stands nowhere, or on one line with others.
    """
    root, lines = parse(text, source), text.splitlines(keepends=True)
    regions = list(_regions(root, len(lines))) if root else []
    missing = sorted(set(names) - {name for name, _, _ in regions})
    if missing:
        raise InventoryError(f"{', '.join(missing)} can't be taken out: not written by name, but as part of a range", where=source,
                             hint="write the hosts of that range one by one first")
    gone: set[int] = set()
    for name, first, last in regions:
        if name in names:
            while last > first and lines[last - 1].lstrip()[:1] in ("", "#"):
                last -= 1  # blank lines and comments before the next entry
            gone.update(range(first, last + 1))
    left = "".join(line for number, line in enumerate(lines, 1) if number not in gone)
    _check(root, names, left, source)
    return left


def host_names(text: str, source: str) -> set[str]:
    """The hosts that an inventory names, ranges as they are written. Raises InventoryError for broken YAML."""
    root = parse(text, source)
    return _hosts_below(root.plain()) if root else set()


def _hosts_below(groups: Any) -> set[str]:
    found: set[str] = set()
    for group in groups.values() if isinstance(groups, dict) else ():
        if isinstance(group, dict):
            found |= set(group.get("hosts") or ()) | _hosts_below(group.get("children"))
    return found


def _regions(node: Node, end: int) -> Iterator[tuple[str, int, int]]:
    """Each host below this mapping, which ends with line `end`: name, first and last line."""
    entries = node.value if isinstance(node.value, dict) else {}
    starts = [*(child.line for child in entries.values()), end + 1]
    for number, (key, child) in enumerate(entries.items()):
        over = starts[number + 1] - 1
        if key != "hosts":
            yield from _regions(child, over)
        elif isinstance(child.value, dict):
            hosts = child.value
            firsts = [*(host.line for host in hosts.values()), over + 1]
            yield from ((name, host.line, firsts[place + 1] - 1) for place, (name, host) in enumerate(hosts.items()))


def _check(root: Node | None, names: Collection[str], left: str, source: str) -> None:
    """Whole lines were right to go only when a reader finds everything but these hosts. Raises InventoryError."""
    try:
        found = parse(left, source)
    except InventoryError:
        found = None
    if found is None or root is None or _without(found.plain(), ()) != _without(root.plain(), names):
        raise InventoryError(f"{', '.join(sorted(names))} can't be taken out: not on lines of their own", where=source,
                             hint="write each host of that group on a line of its own first")


def _without(node: Any, names: Collection[str]) -> Any:
    if not isinstance(node, dict):
        return node
    return {key: {name: value for name, value in (child or {}).items() if name not in names} if key == "hosts" and
            isinstance(child, dict | None) else _without(child, names) for key, child in node.items()}
