"""The pipeline language: `input`, `filter` and `output` sections of plugins, with `if`, `else if`, `else`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .event import Event, get

Condition = Callable[[Event], bool]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*(?:\n|$))*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?")
_BAREWORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+")
_STRING = re.compile(r'"((?:\\"|[^"])*)"|\'((?:\\\'|[^\'])*)\'', re.DOTALL)
_SELECTOR = re.compile(r"(?:\[[^\]\[,]+\])+")
_REGEXP = re.compile(r"/((?:\\/|[^/])*)/")
# The longer of two operators that start alike comes first.
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "=~": lambda a, b: re.search(b, str(a)) is not None if a is not None else False,
    "!~": lambda a, b: re.search(b, str(a)) is None if a is not None else True,
    "<=": lambda a, b: a is not None and a <= b,
    ">=": lambda a, b: a is not None and a >= b,
    "<": lambda a, b: a is not None and a < b,
    ">": lambda a, b: a is not None and a > b,
    "not in": lambda a, b: b is None or a not in b,
    "in": lambda a, b: b is not None and a in b,
}


class ConfigurationError(Exception):
    """The configuration can't be used; the text is what Logstash would say."""


@dataclass(frozen=True)
class Plugin:
    """One plugin of a section, or a codec inside one."""

    name: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class Branch:
    """`if` … `else if` … `else`; the condition of `else` is always true."""

    cases: tuple[tuple[Condition, Block], ...]


# Strings, because Python 3.9 can't evaluate `|` between classes.
Block = tuple["Plugin | Branch", ...]
Sections = dict[str, "list[Plugin | Branch]"]


def parse(text: str) -> Sections:
    """The sections of a configuration. Raises ConfigurationError with line and column."""
    return _Parser(text).config()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def fail(self, *expected: str) -> ConfigurationError:
        before = self.text[: self.at]
        column = len(before.rsplit("\n", 1)[-1]) + 1
        return ConfigurationError(
            f"Expected one of [ \\t\\r\\n], {', '.join(expected)} at line {before.count(chr(10)) + 1}, "
            f"column {column} (byte {len(before.encode()) + 1}) after {before[-60:]}"
        )

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def word(self, *words: str) -> str:
        found = next((w for w in words if self.text.startswith(w, self.at)), "")
        self.at += len(found)
        if found:
            self.blank()
        return found

    def need(self, symbol: str) -> None:
        if not self.word(symbol):
            raise self.fail(f'"{symbol}"')

    def config(self) -> Sections:
        sections: Sections = {"input": [], "filter": [], "output": []}
        self.blank()
        while self.at < len(self.text):
            kind = self.word("input", "filter", "output")
            if not kind:
                raise self.fail('"#"', '"input"', '"filter"', '"output"')
            sections[kind].extend(self.block())
        return sections

    def block(self) -> Block:
        self.need("{")
        nodes: list[Plugin | Branch] = []
        while not self.word("}"):
            nodes.append(self.branch() if re.compile(r"if\b").match(self.text, self.at) else self.plugin())
        return tuple(nodes)

    def branch(self) -> Branch:
        self.word("if")
        cases = [(self.condition(), self.block())]
        while self.word("else"):
            condition = self.condition() if self.word("if") else (lambda _: True)
            cases.append((condition, self.block()))
        return Branch(tuple(cases))

    def name(self) -> str:
        match = self.take(_NAME) or self.take(_STRING)
        if not match:
            raise self.fail('"#"', '"if"', "[A-Za-z0-9_-]", "'\"'", '"}"')
        self.blank()
        return match.group().strip("\"'")

    def plugin(self) -> Plugin:
        name = self.name()
        self.need("{")
        settings: dict[str, Any] = {}
        while not self.word("}"):
            key = self.name()
            self.need("=>")
            settings[key] = self.value()
        return Plugin(name, settings)

    def value(self) -> Any:
        string = self.take(_STRING)
        if string:
            value: Any = string.group(1) if string.group(1) is not None else string.group(2)
        elif self.word("["):
            return self.items("]", lambda: self.value())
        elif self.word("{"):
            return dict(self.items("}", self.pair))
        elif number := self.take(_NUMBER):
            value = float(number.group()) if "." in number.group() else int(number.group())
        elif bare := self.take(_BAREWORD):
            self.blank()
            if not self.text.startswith("{", self.at):
                return bare.group()
            self.at = bare.start()
            return self.plugin()
        else:
            raise self.fail('"#"', "[A-Za-z_]", "'\"'", "[0-9]", '"["', '"{"')
        self.blank()
        return value

    def items(self, end: str, one: Callable[[], Any]) -> list[Any]:
        found: list[Any] = []
        while not self.word(end):
            found.append(one())
            self.word(",")
        return found

    def pair(self) -> tuple[str, Any]:
        key = self.name()
        self.need("=>")
        return key, self.value()

    def condition(self) -> Condition:
        left = self.expression()
        while operator := self.word("and", "or"):
            left = _joined(operator, left, self.expression())
        return left

    def expression(self) -> Condition:
        if self.word("!"):
            inner = self.expression()
            return lambda event: not inner(event)
        if self.word("("):
            inner = self.condition()
            self.need(")")
            return inner
        left = self.operand()
        operator = self.word(*_COMPARE)
        if not operator:
            return lambda event: left(event) not in (None, False, "false")
        right = self.operand()
        return lambda event: _COMPARE[operator](left(event), right(event))

    def operand(self) -> Callable[[Event], Any]:
        if selector := self.take(_SELECTOR):
            self.blank()
            return lambda event: get(event, selector.group())
        if regexp := self.take(_REGEXP):
            self.blank()
            return lambda event: regexp.group(1)
        constant = self.value()
        return lambda event: constant


def _joined(operator: str, left: Condition, right: Condition) -> Condition:
    if operator == "and":
        return lambda event: left(event) and right(event)
    return lambda event: left(event) or right(event)
