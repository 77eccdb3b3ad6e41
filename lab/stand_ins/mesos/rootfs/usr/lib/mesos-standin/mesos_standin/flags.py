"""Command-line flags and MESOS_* variables, parsed as strictly as stout does (contract items 3, 4 and 6)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"
_DURATION = re.compile(r"([0-9.]+)(ns|us|ms|secs|mins|hrs|days|weeks)")
_BYTES = re.compile(r"[0-9]+(B|KB|MB|GB|TB)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "secs": 1, "mins": 60, "hrs": 3600, "days": 86400, "weeks": 604800}
_FILE = "file://"


class FlagError(Exception):
    """A flag the real program refuses; its text is what the real program prints."""


@dataclass(frozen=True)
class Flag:
    """One flag: kind is the `type` of the recorded list, default the text shown by /flags (None = not shown)."""

    name: str
    kind: str
    default: str | None
    alias: str | None


def known(program: str) -> dict[str, Flag]:
    """All flags of `master` or `agent`, by name (the recorded 1.11.0 list without optional build features)."""
    rows: dict[str, dict[str, str]] = json.loads((_DATA / f"flags_{program}.json").read_text())
    return {name: Flag(name, row["type"], row.get("default"), row.get("alias")) for name, row in rows.items()}


def seconds(text: str) -> float:
    """A duration such as `15secs` in seconds; FlagError when it has no unit."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise FlagError(f"Invalid duration '{text}'")
    return float(match[1]) * _SECONDS[match[2]]


class Flags:
    """The loaded values: texts as /flags shows them, plus typed access."""

    def __init__(self, values: dict[str, str], contents: dict[str, str], warnings: list[str]) -> None:
        self.shown = values
        self.warnings = warnings
        self._contents = contents

    def has(self, name: str) -> bool:
        """Whether the flag has a value, given or default."""
        return name in self.shown

    def text(self, name: str, otherwise: str = "") -> str:
        """The value; of a flag given as file://..., the file's content."""
        return self._contents.get(name, self.shown.get(name, otherwise))

    def on(self, name: str) -> bool:
        """The value of a boolean flag."""
        return self.shown.get(name) == "true"

    def seconds(self, name: str) -> float:
        """The value of a duration flag."""
        return seconds(self.shown[name])

    def number(self, name: str) -> int:
        """The value of an integer flag."""
        return int(self.shown[name])


def load(program: str, argv: Sequence[str], env: Mapping[str, str]) -> Flags:
    """Flags from argv and MESOS_* (argv wins, unknown variables are ignored); FlagError as the real program."""
    flags = known(program)
    names = {**{flag.alias: name for name, flag in flags.items() if flag.alias}, **{name: name for name in flags}}
    given: dict[str, str | None] = {}
    via: dict[str, str] = {}
    warnings = []
    for argument in argv:
        if argument == "--":
            break
        if not argument.startswith("--"):
            continue
        written, value = _split(argument)
        name = names.get(written) or (names.get(written[3:]) if written.startswith("no-") else None)
        if name is None:
            raise FlagError(f"Failed to load unknown flag '{written}'")
        if name in given:
            raise FlagError(f"Flag '{name}' is already loaded via name '{via[name]}'")
        if written not in names:
            value = _negated(name, flags[name], value)
        elif written != name:
            warnings.append(f"Loaded deprecated flag '{written}'")
        given[name], via[name] = value, written
    for variable, value in env.items():
        from_env = names.get(variable[6:].lower()) if variable.startswith("MESOS_") else None
        if from_env and from_env not in given:
            given[from_env] = value
    return _typed(flags, given, warnings)


def _split(argument: str) -> tuple[str, str | None]:
    name, sign, value = argument[2:].partition("=")
    return name, value if sign else None


def _negated(name: str, flag: Flag, value: str | None) -> str:
    if flag.kind != "bool":
        raise FlagError(f"Failed to load non-boolean flag '{name}' via '--no-{name}'")
    if value:
        raise FlagError(f"Failed to load boolean flag '{name}' via '--no-{name}' with value '{value}'")
    return "false"


def _typed(flags: dict[str, Flag], given: dict[str, str | None], warnings: list[str]) -> Flags:
    values = {name: flag.default for name, flag in flags.items() if flag.default is not None}
    contents: dict[str, str] = {}
    for name, value in given.items():
        if flags[name].kind == "bool":
            values[name] = _boolean(name, value)
            continue
        if value is None:
            raise FlagError(f"Failed to load non-boolean flag '{name}': Missing value")
        values[name] = value[len(_FILE) :] if value.startswith(_FILE) else value
        try:
            contents[name] = _content(flags[name], value)
        except FlagError as error:
            raise FlagError(f"Failed to load flag '{name}': Failed to load value '{value}': {error}") from None
    return Flags(values, contents, warnings)


def _boolean(name: str, value: str | None) -> str:
    if value in (None, "", "true", "1"):
        return "true"
    if value in ("false", "0"):
        return "false"
    raise FlagError(f"Failed to load flag '{name}': Failed to load value '{value}': Expecting a boolean (e.g., true or false)")


def _content(flag: Flag, value: str) -> str:
    if flag.kind == "path":
        return value[len(_FILE) :] if value.startswith(_FILE) else value
    if value.startswith(_FILE):
        path = value[len(_FILE) :]
        try:
            value = Path(path).read_text()
        except OSError as error:
            raise FlagError(f"Error reading file '{path}': {error.strerror}") from None
    _check(flag.kind, value)
    return value


def _check(kind: str, value: str) -> None:
    if kind == "duration":
        seconds(value)
    elif kind == "bytes" and not _BYTES.fullmatch(value):
        raise FlagError(f"Invalid bytes '{value}'")
    elif kind == "json_or_file":
        parse_json(value)
    elif kind in ("int", "uint", "port", "float"):
        _check_number(kind, value)


def _check_number(kind: str, value: str) -> None:
    try:
        number = float(value) if kind == "float" else int(value)
    except ValueError:
        raise FlagError("Failed to convert into required type") from None
    if (kind == "port" and not 0 <= number < 65536) or (kind == "uint" and number < 0):
        raise FlagError("Failed to convert into required type")


def parse_json(text: str) -> Any:
    """JSON, or FlagError with the real parser's words (it names the rest of the first line)."""
    try:
        return json.loads(text)
    except ValueError as error:
        near = text.strip().splitlines()[0] if text.strip() and not text.lstrip().startswith(("{", "[")) else ""
        raise FlagError(f"syntax error at line {getattr(error, 'lineno', 1)} near: {near}") from None


def usage(program: str) -> str:
    """The text of --help."""
    lines = [f"Usage: mesos-{program} [options]   (stand-in for tests)", ""]
    for flag in known(program).values():
        name = f"--[no-]{flag.name}" if flag.kind == "bool" else f"--{flag.name}=VALUE"
        lines.append(f"  {name:<45} {flag.kind}" + (f" (default: {flag.default})" if flag.default else ""))
    return "\n".join(lines)
