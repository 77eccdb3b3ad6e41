"""The roles' own rules, for what can be checked offline: filters of the collection, and the lists that a role keeps."""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from provisioner.paths import collection_dir, roles_dir

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def filters(name: str) -> ModuleType:
    """A module of filters that imports nothing of Ansible, so that it costs nothing to ask. FileNotFoundError when there is none."""
    path = collection_dir() / "plugins" / "filter" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"provisioner_core_{name}", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def internals(role: str) -> dict[str, Any]:
    """The internal variables of a role (`vars/main.yml`): plain data as it is, what is computed as the template that computes it."""
    found: dict[str, Any] = yaml.load((roles_dir() / role / "vars/main.yml").read_text(), Loader=_LOADER)  # noqa: S506 (the safe one)
    return found


@functools.cache
def limits(meta: Path) -> dict[str, dict[str, Any]]:
    """What the values of a role's variables may be beyond their types, from the folder `meta` of the role."""
    path = meta / "limits.yml"
    found: dict[str, dict[str, Any]] = yaml.load(path.read_text(), Loader=_LOADER) if path.is_file() else {}  # noqa: S506 (the safe one)
    return found


@functools.cache
def known_flags(role: str) -> dict[str, Any]:
    """The flags that a role's program can be given, as recorded from it."""
    found: dict[str, Any] = json.loads((roles_dir() / role / "files/flags.json").read_text())
    return found
