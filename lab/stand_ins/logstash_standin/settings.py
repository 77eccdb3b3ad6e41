"""`logstash.yml`, `pipelines.yml` and the command line. A name that Logstash does not know is an error, as in Logstash."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped, unused-ignore]

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "schema.json").read_text())
# Name: default. The type of the default is the type of the setting; None takes anything.
_KNOWN: dict[str, Any] = {**SCHEMA["settings"], "node.name": socket.gethostname()}
_FLAGS = {"-t": "config.test_and_exit", "-r": "config.reload.automatic"}


class UsageError(Exception):
    """A wrong command line or settings file; the text is what Logstash would say."""


def command_line(arguments: list[str]) -> dict[str, Any]:
    """Settings given as flags: `--name value`, `--name=value` and the short ones. Raises UsageError."""
    found: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        flag, _, value = rest.pop(0).partition("=")
        name = _FLAGS.get(flag) or SCHEMA["short"].get(flag) or flag[2:]
        if name not in _KNOWN or not flag.startswith("-"):
            raise UsageError(f"Unrecognised option '{flag}'")
        if isinstance(_KNOWN[name], bool):
            found[name] = True
        elif not value and not rest:
            raise UsageError(f"option '{flag}': no value provided")
        else:
            text = value or rest.pop(0)
            found[name] = _checked(name, int(text) if isinstance(_KNOWN[name], int) and text.isdigit() else text)
    return found


def load(flags: dict[str, Any]) -> dict[str, Any]:
    """Defaults, then logstash.yml, then the flags. Raises UsageError, which names what is wrong in the file."""
    folder = Path(flags.get("path.settings", _KNOWN["path.settings"]))
    path = folder / "logstash.yml"
    try:
        written = yaml.safe_load(path.read_text()) if path.exists() else {}
        file = {name: _checked(name, value) for name, value in _flat(written or {}).items()}
    except yaml.YAMLError as error:
        raise UsageError(f'Failed to parse YAML file "{path}". Aborting... parser_error=>{error}') from error
    except UsageError as error:
        place = f"path.setting={folder}, exception=ArgumentError, message=>{error}"
        raise UsageError(f'Failed to load settings file from "path.settings". Aborting... {place}') from error
    return {**_KNOWN, **file, **flags}


def pipelines(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The settings of each pipeline: of `-f` or `-e` alone if given, else of pipelines.yml. Raises UsageError."""
    if settings["path.config"] or settings["config.string"]:
        return [settings]
    path = Path(settings["path.settings"]) / "pipelines.yml"
    written = yaml.safe_load(path.read_text()) if path.exists() else None
    if not isinstance(written, list):
        raise UsageError(f"Pipelines YAML file must contain an array of pipeline configs. Location: {path}")
    return [{**settings, **{k: _checked(k, v) for k, v in _flat(entry).items()}} for entry in written]


def size(text: str) -> int:
    """Bytes of `64mb`. Raises UsageError."""
    number = text.lower().rstrip("kmgb")
    unit = {"": 0, "b": 0, "kb": 10, "mb": 20, "gb": 30}.get(text.lower()[len(number) :])
    if not number.isdigit() or unit is None:
        raise UsageError(f'Unknown bytes value "{text}"')
    return int(number) << unit


def _checked(name: str, value: Any) -> Any:
    if name.startswith("xpack."):
        return value
    if name not in _KNOWN:
        raise UsageError(f"Setting \"{name}\" doesn't exist. Please check if you haven't made a typo.")
    wanted = type(_KNOWN[name])
    fits = type(value) is wanted or (wanted is str and isinstance(value, (int, float))) or _KNOWN[name] is None
    if not fits:
        raise UsageError(f'Setting "{name}" must be a {wanted.__name__}. Received: {value} ({type(value).__name__})')
    if value not in SCHEMA["choices"].get(name, [value]):
        raise UsageError(f'Invalid value "{name}: {value}". Options are: {SCHEMA["choices"][name]}')
    return value


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        raise UsageError(f"Expected settings, found {type(tree).__name__}")
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found.update(_flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value})
    return found
