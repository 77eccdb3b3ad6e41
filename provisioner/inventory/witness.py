"""What proves on a host that a role is still applied: the roles' `meta/witness.yml`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from string import Formatter
from typing import Any

import yaml

from provisioner.components.model import Component
from provisioner.paths import roles_dir

Witness = Mapping[str, Any]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def witness(component: Component, variables: Mapping[str, Any]) -> Witness:
    """The files, units (with the files that their process reads), packages and listeners that prove a component on a host.

    `{name}` in an entry stands for the host's value of that role variable; where that has keys, there is an entry for each.
    """
    own: Witness = _filled(_declared(component), variables)
    return own


@functools.cache
def _declared(component: Component) -> Any:
    found = yaml.load((roles_dir() / component.role / "meta/witness.yml").read_text(), Loader=_LOADER)  # noqa: S506 (the safe one)
    return found.get(component.name, found)


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [entry for item in value for entry in _entries(str(item), variables)]
    return str(value).format_map(variables)


def _entries(entry: str, variables: Mapping[str, Any]) -> list[str]:
    for _, name, _, _ in Formatter().parse(entry):
        if name and isinstance(variables[name], Mapping):
            return [entry.format_map({**variables, name: key}) for key in variables[name]]
    return [entry.format_map(variables)]
