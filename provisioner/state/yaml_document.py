"""A strict, bounded YAML reader that knows the line of everything.

It reads libyaml's event stream and stops at the first event that breaks a rule, so a file can't cost more than its
size.
Plain scalars mean what they mean to Ansible (YAML 1.1: `yes` is true).
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provisioner.errors import InventoryError
from provisioner.state.problems import Problems, show

SIZE_MAX = 8 * 1024 * 1024
DEPTH_MAX = 20
VALUES_MAX = 500_000
_NUMBER_LIMIT = 2**63
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Control characters, byte order marks inside the text, invisible line ends, and what re-orders text on a screen.
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
#: Comes in with text that was copied from a web page, and looks like the space that YAML wants.
_NO_BREAK_SPACE = "\u00a0"
_SHORTER = "host ranges such as m[1:9] keep it short"

Scalar = str | int | float | bool | None


class NotPlainError(InventoryError):
    """Correct YAML that this reader does not take."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value and the line (from 1) it stands on; inside a mapping that is the line of its key."""

    value: Scalar | list[Node] | dict[str, Node]
    line: int

    def plain(self) -> Any:
        """The value as plain Python data, without lines."""
        if isinstance(self.value, dict):
            return {k: n.plain() for k, n in self.value.items()}
        if isinstance(self.value, list):
            return [n.plain() for n in self.value]
        return self.value


def read_text(path: Path, source: str) -> str:
    """The text of a regular file of at most SIZE_MAX bytes of UTF-8. Raises InventoryError."""
    problems = Problems(source)
    try:
        # O_NONBLOCK: opening a pipe must not wait for somebody to write into it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise problems.fail(0, "this is not a regular file")
            data = file.read(SIZE_MAX + 1)
    except FileNotFoundError:
        raise problems.fail(0, "no such file", "'provision init' writes an inventory.yml to fill in") from None
    except IsADirectoryError:
        raise problems.fail(0, "this is a directory, not a file", "name the file inside it") from None
    except (OSError, ValueError) as error:
        raise problems.fail(0, f"can't read the file: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > SIZE_MAX:
        raise problems.fail(0, f"the file is larger than {SIZE_MAX // 1024} KiB", _SHORTER)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise problems.fail(line, "the file is not UTF-8 text", "save it with the encoding UTF-8") from None


def parse(text: str, source: str) -> Node | None:
    """The one document of a text, or None when there is nothing in it. Raises InventoryError with the line."""
    bad = _REFUSED.search(text)
    if bad:
        line = text.count("\n", 0, bad.start()) + 1
        message = f"character U+{ord(bad[0]):04X} is not accepted"
        raise Problems(source).fail(line, message, "remove this invisible character")
    try:
        return _Reader(text, source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        detail = " ".join(filter(None, (error.context, error.problem)))
        there = "".join(text.split("\n")[mark.line : mark.line + 1]) if mark else ""
        cure = "indent with spaces: this line has a tab" if "\t" in there else "check the indentation, the colons and the quotes here"
        raise Problems(source).fail(
            mark.line + 1 if mark else 0, f"broken YAML: {detail}", cure
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise Problems(source).fail(0, f"broken YAML: {error}") from None


class _Reader:
    """Builds nodes from events. A recursion is at most DEPTH_MAX deep."""

    def __init__(self, text: str, source: str) -> None:
        self._problems = Problems(source)
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._scalars: Any = yaml.SafeLoader("")
        self._count = 0

    def document(self) -> Node | None:
        root = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._error(event, "a second document starts here", "remove this '---' line")
                root = self._node(next(self._events), 1)
        self._problems.raise_if_any()
        return None if root is None or root.value is None else root

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        self._count += 1
        if self._count > VALUES_MAX:
            raise self._error(event, f"more than {VALUES_MAX} values", _SHORTER)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            message = "anchors and aliases (& and *) are not accepted"
            raise self._not_plain(event, message, "write the value out, or put it in quotes")
        if event.tag is not None:
            message = f"tags such as {show(event.tag)} are not accepted"
            raise self._not_plain(event, message, "remove it, or put the value in quotes")
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event), line)
        if depth > DEPTH_MAX:
            raise self._error(event, f"more than {DEPTH_MAX} levels deep")
        if isinstance(event, yaml.SequenceStartEvent):
            return Node([self._node(e, depth + 1) for e in iter(self._next, None)], line)
        return Node(self._mapping(depth), line)

    def _next(self) -> Any:
        event = next(self._events)
        return None if isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent) else event

    def _mapping(self, depth: int) -> dict[str, Node]:
        found: dict[str, Node] = {}
        for event in iter(self._next, None):
            key = self._node(event, depth + 1)
            if event.__class__ is yaml.ScalarEvent and event.value == "<<" and event.implicit[0]:
                raise self._not_plain(event, "merge keys (<<) are not accepted", "write the values out")
            if not isinstance(key.value, str):
                raise self._not_plain(event, "a key must be text", "put the key in quotes")
            value = self._node(next(self._events), depth + 1)
            if key.value in found:
                message = f"{show(key.value)} is written twice here, first in line {found[key.value].line}"
                self._problems.add(key.line, message, "remove one of them")
            found[key.value] = Node(value.value, key.line)
        return found

    def _scalar(self, event: Any) -> Scalar:
        text = str(event.value)
        bad = _REFUSED.search(text)
        if bad:
            raise self._error(event, f"character U+{ord(bad[0]):04X} is not accepted", "remove this escape sequence")
        if not event.implicit[0]:
            return text
        if _NO_BREAK_SPACE in text:
            raise self._error(event, "a no-break space (U+00A0) is part of this text", "type a plain space, or put the text in quotes")
        tag = self._scalars.resolve(yaml.ScalarNode, text, event.implicit).rpartition(":")[2]
        if tag == "timestamp" or (tag in ("int", "float") and _BASE_60.fullmatch(text)):
            kind = "date" if tag == "timestamp" else "number in base 60"
            raise self._not_plain(event, f"{show(text)} reads as a {kind}", "put it in quotes")
        if tag not in ("int", "float", "bool", "null"):
            return text
        return self._number(event, tag, text)

    def _number(self, event: Any, tag: str, text: str) -> Scalar:
        try:
            node = yaml.ScalarNode(f"tag:yaml.org,2002:{tag}", text)
            value: Scalar = getattr(self._scalars, f"construct_yaml_{tag}")(node)
        except ValueError:
            raise self._error(event, f"{show(text)} is not a number", "put it in quotes") from None
        if isinstance(value, float | int) and not (math.isfinite(value) and abs(value) < _NUMBER_LIMIT):
            raise self._error(event, f"{show(text)} is too large a number", "put it in quotes")
        return value

    def _not_plain(self, event: Any, message: str, hint: str) -> NotPlainError:
        return NotPlainError(message, where=self._problems.at(event.start_mark.line + 1), hint=hint)

    def _error(self, event: Any, message: str, hint: str = "") -> InventoryError:
        return self._problems.fail(event.start_mark.line + 1, message, hint)
