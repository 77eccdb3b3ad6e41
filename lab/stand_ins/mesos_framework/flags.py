"""Command-line flags, parsed as strictly as Scallop does it for the real Marathon and Chronos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Value = str | int | float | bool
INTEGERS = frozenset({"int", "ms", "seconds", "bytes", "port"})
FLOATS = frozenset({"float", "MB"})
BARE = frozenset({"flag", "toggle"})
ONE_ONLY = "you should provide exactly one argument for this option"


class FlagError(Exception):
    """A command line that the real program refuses: it prints one line and exits 1."""


@dataclass(frozen=True)
class Flag:
    """One flag as recorded from the real program; `negation` is the name that switches a toggle off."""

    name: str
    type: str
    default: Value | None = None
    required: bool = False
    negation: str = ""
    requires: tuple[str, ...] = ()
    exclusive_with: tuple[str, ...] = ()
    removed_in: str = ""
    choices: tuple[str, ...] = ()


def load(path: Path) -> tuple[Flag, ...]:
    """The flags of a JSON list whose objects have the fields of `Flag`."""
    def flag(entry: dict[str, Any]) -> Flag:
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
        return Flag(**fields)

    return tuple(flag(entry) for entry in json.loads(path.read_text()))


def from_environment(environ: Mapping[str, str], prefix: str) -> list[str]:
    """`PREFIX_X=v` becomes `--x v`, an empty value a bare `--x`; `PREFIX_APP_*` describes a task and is no flag."""
    arguments: list[str] = []
    for name, value in environ.items():
        if name.startswith(prefix) and not name.startswith(f"{prefix}APP_"):
            arguments += [f"--{name[len(prefix):].lower()}", *([value] if value else [])]
    return arguments


def expand(arguments: Sequence[str]) -> list[str]:
    """`@file` in the first place replaces the whole command line by the words of that file (Scallop since 1.0)."""
    if not arguments or not arguments[0].startswith("@"):
        return list(arguments)
    try:
        text = Path(arguments[0][1:]).read_text()
    except OSError as error:
        raise FlagError(f"{arguments[0][1:]}: {error.strerror}") from error
    return text.split()


def parse(flags: Iterable[Flag], arguments: Sequence[str]) -> dict[str, Value]:
    """The value of every flag that has one, given or default.

    Raises FlagError for an unknown or repeated name, a missing or malformed value, a missing or forbidden companion.
    """
    known = tuple(flags)
    given = _given(known, arguments)
    for flag in known:
        if flag.name in given:
            _companions(flag, given)
        elif flag.required and flag.default is None:
            raise FlagError(f"Required option '{flag.name}' not found")
    defaults = {f.name: f.default for f in known if f.default is not None}
    return {**defaults, **given}


def _given(known: tuple[Flag, ...], arguments: Sequence[str]) -> dict[str, Value]:
    names = {f.name: f for f in known}
    negations = {f.negation: f for f in known if f.negation}
    given: dict[str, Value] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise FlagError(f"Excess arguments provided: '{word}'")
        name = word[2:]
        values: list[str] = []
        while rest and not rest[0].startswith("--"):
            values.append(rest.pop(0))
        flag = names.get(name) or negations.get(name)
        if flag is None:
            raise FlagError(f"Unknown option '{name}'")
        if flag.name in given:
            raise FlagError(f"Bad arguments for option '{name}': '{' '.join(values)}' - {ONE_ONLY}")
        given[flag.name] = _value(flag, name, values)
    return given


def _value(flag: Flag, name: str, values: list[str]) -> Value:
    if flag.removed_in:
        raise FlagError(f"The option '{name}' was removed in {flag.removed_in}")
    if flag.type in BARE:
        if values:
            raise FlagError(f"Excess arguments provided: '{' '.join(values)}'")
        return name == flag.name
    if len(values) != 1:
        raise FlagError(f"Bad arguments for option '{name}': '{' '.join(values)}' - {ONE_ONLY}")
    value = values[0]
    if flag.choices and value not in flag.choices:
        raise FlagError(f"Validation failure for '{name}' option parameters: {value}")
    try:
        return _converter(flag.type)(value)
    except ValueError as error:
        raise FlagError(f"Bad arguments for option '{name}': '{value}' - wrong arguments format") from error


def _converter(kind: str) -> Callable[[str], Value]:
    if kind in INTEGERS:
        return int
    return float if kind in FLOATS else str


def _companions(flag: Flag, given: Mapping[str, Value]) -> None:
    if given[flag.name] is False:
        return
    for other in flag.requires:
        if other not in given:
            raise FlagError(f"When specifying '{flag.name}', the following option must be provided: {other}")
    for other in flag.exclusive_with:
        if other in given:
            raise FlagError(f"There should be only one or zero of the following options: {flag.name}, {other}")
