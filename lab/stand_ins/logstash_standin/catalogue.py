"""Checks plugins and their settings against schema.json. What is not in it is refused in the words of the real program."""

from __future__ import annotations

from typing import Any

from .language import Branch, ConfigurationError, Plugin, Sections, parse
from .settings import SCHEMA

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str, int, float),
    "array": (list, str, int),
    "hash": (dict,),
    "codec": (str, Plugin),
    "number": (int, float),
    "boolean": (bool,),
}


def load(text: str) -> Sections:
    """The checked sections of a configuration. Raises ConfigurationError."""
    sections = parse(text)
    for kind, nodes in sections.items():
        for node in nodes:
            _check(kind, node)
    return sections


def _check(kind: str, node: Plugin | Branch) -> None:
    if isinstance(node, Branch):
        for _, block in node.cases:
            for inner in block:
                _check(kind, inner)
        return
    schema: dict[str, str] | None = SCHEMA["plugins"][kind].get(node.name)
    if schema is None:
        raise ConfigurationError(
            f"Couldn't find any {kind} plugin named '{node.name}'. Are you sure this is correct? Trying to load the "
            f"{node.name} {kind} plugin resulted in this error: Unable to load the requested plugin named {node.name}."
        )
    known = {**SCHEMA["common"][kind], **{name.rstrip("!"): what for name, what in schema.items()}}
    for name, value in node.settings.items():
        if name not in known:
            raise ConfigurationError(f"Unknown setting '{name}' for {node.name}")
        node.settings[name] = _typed(kind, node, name, known[name], value)
    for name in schema:
        if name.endswith("!") and name[:-1] not in node.settings:
            place = _place(kind, node, f"{name[:-1]} => # SETTING MISSING")
            raise ConfigurationError(f"Missing a required setting for the {node.name} {kind} plugin:\n\n{place}")


def _typed(kind: str, node: Plugin, name: str, wanted: str, value: Any) -> Any:
    if wanted == "number" and isinstance(value, str) and value.lstrip("-").isdigit():
        value = int(value)
    if wanted == "boolean" and value in ("true", "false"):
        value = value == "true"
    if not isinstance(value, _TYPES[wanted]):
        place = _place(kind, node, f"# This setting must be a {wanted}\n    {name} => {value!r}")
        raise ConfigurationError(f"Invalid setting for {node.name} {kind} plugin:\n\n{place}")
    if wanted == "codec":
        codec = value if isinstance(value, Plugin) else Plugin(str(value), {})
        _check("codec", codec)
        return codec
    return [value] if wanted == "array" and not isinstance(value, list) else value


def _place(kind: str, node: Plugin, line: str) -> str:
    return f"{kind} {{\n  {node.name} {{\n    {line}\n    ...\n  }}\n}}"
