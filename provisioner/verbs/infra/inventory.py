"""The inventory of machines that Terraform made: some lines follow its outputs, all others are the operator's.

A line that is ours ends in MARK. Lines are inserted, replaced and deleted one by one and nothing is written anew, so that
whatever an operator added stays byte by byte, comments and order included; without the mark a line is theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from provisioner.errors import InventoryError
from provisioner.inventory.groups import WRITABLE
from provisioner.state.yaml_document import Node, parse
from provisioner.verbs.infra.contract import Outputs

MARK = "# terraform"
HEADER = f"""\
---
# Written by `provision infra up`. Lines that end in "{MARK}" follow Terraform's outputs with every `infra up` and `infra down`;
# all other lines are yours: add variables, groups, hosts. Take the mark off a line, and it is yours too.

"""
#: What stands below each kind of mapping of an inventory, by key; "*" is every other key.
_BELOW: Mapping[str, Mapping[str, str]] = {
    "groups": {"*": "group"}, "group": {"vars": "variables", "hosts": "hosts", "children": "groups"}, "hosts": {"*": "host"},
    "host": {"*": "value"}, "variables": {"*": "value"},
}
#: A colon at either end would make a mapping.
_PLAIN = re.compile(r"[\w./]([\w./:@~+-]*[\w./@~+-])?")
Tree = Mapping[str, Any]


def tree(outputs: Outputs) -> Tree:
    """The outputs in the shape of an inventory."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for name, machine in outputs.hosts.items():
        for number, group in enumerate(machine.groups):  # what holds for a host is written once
            own = {"ansible_host": machine.address, **machine.variables} if number == 0 else {}
            groups.setdefault(group, {"hosts": {}})["hosts"][name] = own
    return {"all": {"vars": dict(outputs.variables), "children": {group: groups[group] for group in WRITABLE if group in groups}}}


def merged(text: str, wanted: Tree, source: str) -> str:
    """An inventory (empty text: none yet) with what is wanted in it and nothing else that carries the mark.

    Raises InventoryError for broken YAML, for a host that is the operator's own, for an inventory of another cluster, and for
    one that can't be changed line by line. `source` names it in errors.
    """
    old = text or HEADER
    edit = _Edit(old.splitlines(), source)
    root = parse(old, source)
    edit.walk(root or Node({}, 0), wanted, "groups", len(edit.lines), 0)
    new = "\n".join(edit.result()) + "\n"
    _verify(new, wanted, source)
    return new


def without(text: str, source: str) -> str:
    """The operator's own lines; nothing when there are none but our header. Raises InventoryError."""
    left = merged(text, {}, source)
    return "" if left == HEADER else left


@dataclass
class _Edit:
    """What happens to which line (numbers from 1); the walk decides, `result` does it."""

    lines: list[str]
    source: str
    deleted: set[int] = field(default_factory=set)
    replaced: dict[int, str] = field(default_factory=dict)
    inserted: dict[int, list[str]] = field(default_factory=dict)

    def walk(self, node: Node, wanted: Tree, kind: str, end: int, indent: int) -> None:
        """Compare one mapping, which ends with line `end`, with what is wanted in it; its keys stand `indent` deep."""
        entries: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
        starts = [*(child.line for child in entries.values()), end + 1]
        last = node.line
        for number, (key, child) in enumerate(entries.items()):
            below, over = _below(kind, key), self._content_end(child.line, starts[number + 1] - 1)
            if key in wanted:
                self._keep(key, child, wanted[key], below, over)
            else:
                self._drop(key, child, below, over)
            last = over
        missing = {key: value for key, value in wanted.items() if key not in entries}
        if missing:
            if entries or node.line:
                self._must_be_block(node, entries)
            deep = self._indent(next(iter(entries.values())).line) if entries else indent
            place = last if node.line or entries else len(self.lines)
            self.inserted.setdefault(place, []).extend(_render(missing, kind, deep))

    def result(self) -> Iterator[str]:
        """The lines as they are to be."""
        yield from self.inserted.get(0, ())
        for number, line in enumerate(self.lines, 1):
            if number not in self.deleted:
                yield self.replaced.get(number, line)
            yield from self.inserted.get(number, ())

    def _keep(self, key: str, child: Node, value: Any, below: str, over: int) -> None:
        line = self.lines[child.line - 1]
        if below == "value":
            if child.plain() == value:
                return
            if key == "cluster_name":  # state is kept under it: not even a line of ours may change
                raise self._wrong(child.line, f"this is the inventory of another cluster; Terraform's is {value!r}",
                                  "name another file with --hosts, or correct one of the two names")
            if self._ours(key, child.line):
                self.replaced[child.line] = f"{line[: self._indent(child.line)]}{_line(key, value)}"
                self.deleted.update(range(child.line + 1, over + 1))
            elif line.rstrip().endswith(MARK):
                raise self._on_one_line(child.line)
            return
        if below == "host" and value and not self._ours(key, child.line):
            raise self._wrong(child.line, f"the host {key} is your own, and Terraform made one of that name",
                              f"rename one of them; or, if they are the same machine, let the line end in '{MARK}'")
        self.walk(child, value, below, over, self._indent(child.line) + 2)

    def _drop(self, key: str, child: Node, below: str, over: int) -> None:
        """Whatever is ours and not wanted any more; groups stay as long as anything stands below them."""
        if below in ("value", "host"):
            if self._ours(key, child.line):
                self.deleted.update(range(child.line, over + 1))
            elif below == "host":
                self.walk(child, {}, below, over, 0)
            return
        self.walk(child, {}, below, over, 0)
        if self._ours(key, child.line) and self.deleted >= set(range(child.line + 1, over + 1)):
            self.deleted.add(child.line)

    def _ours(self, key: str, line: int) -> bool:
        """Marked, and this entry's own line: in braces others stand on it too."""
        text = self.lines[line - 1].strip()
        return text.endswith(MARK) and text.startswith((f"{key}:", f'"{key}":', f"'{key}':"))

    def _indent(self, line: int) -> int:
        text = self.lines[line - 1]
        return len(text) - len(text.lstrip())

    def _content_end(self, first: int, last: int) -> int:
        """Where an entry ends: blank lines and comments before the next one belong to that."""
        while last > first and (not self.lines[last - 1].strip() or self.lines[last - 1].lstrip().startswith("#")):
            last -= 1
        return last

    def _must_be_block(self, node: Node, entries: Mapping[str, Node]) -> None:
        """One entry to a line; `{}` and braces have no place for a line of ours."""
        if node.value is not None and (not entries or any(child.line == node.line for child in entries.values())):
            raise self._on_one_line(node.line)

    def _on_one_line(self, line: int) -> InventoryError:
        return self._wrong(line, "this is written on one line, so none of its entries can be changed by line",
                           "write its entries on lines of their own, or nothing after the colon")

    def _wrong(self, line: int, message: str, hint: str) -> InventoryError:
        return InventoryError(message, where=f"{self.source}:{line}", hint=hint)


def _below(kind: str, key: str) -> str:
    found = _BELOW.get(kind, {})
    return found.get(key) or found.get("*", "value")


def _render(entries: Tree, kind: str, indent: int) -> Iterator[str]:
    """New lines."""
    for key, value in entries.items():
        below = _below(kind, key)
        if below == "value":
            yield f"{' ' * indent}{_line(key, value)}"
        else:
            yield f"{' ' * indent}{key}:  {MARK}"
            yield from _render(value, below, indent + 2)


def _line(key: str, value: object) -> str:
    """One variable on one line: JSON is YAML too, and plain text needs no quotes where it reads as itself."""
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and yaml.safe_load(f"k: {value}") == {"k": value}
    return f"{key}: {value if plain else json.dumps(value, ensure_ascii=False)}  {MARK}"


def _verify(text: str, wanted: Tree, source: str) -> None:
    """An edit by lines is only right when a reader finds what was meant. Raises InventoryError."""
    root = parse(text, source)
    _contains(root.plain() if root else {}, wanted, source)


def _contains(found: Any, wanted: Tree, source: str, path: str = "") -> None:
    for key, value in wanted.items():
        if not isinstance(found, dict) or key not in found:
            raise InventoryError(f"{path}{key} could not be added to this inventory line by line", where=source,
                                 hint="write it as 'provision init' does, one entry to a line; or name another file with --hosts")
        if isinstance(value, dict) and isinstance(found[key], dict):
            _contains(found[key], value, source, f"{path}{key}.")
