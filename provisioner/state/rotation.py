"""The stage of a rotation, as it stands among the secrets; see `components/rotation`. Pure functions, but for new values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from provisioner.components.rotation import NEXT, OLD, Rotation, rotations

Values = dict[str, str]


def stages(names: Iterable[str]) -> dict[str, str]:
    """The rotations that are under way, by name, and how far each is: NEXT while the new value is introduced, OLD while it is used."""
    there = set(names)
    return {name: suffix for name, (_, each) in rotations().items() for suffix in (NEXT, OLD)
            if any(f"{variable}{suffix}" in there for variable in each.variables)}


def begun(values: Mapping[str, str], rotation: Rotation, new: Mapping[str, str]) -> Values:
    """The secrets when a rotation has begun, with `new` values by name."""
    found = dict(values)
    for name in rotation.variables:
        found[f"{name}{NEXT}"] = new[name]
    return found if rotation.both else _used(found, rotation)


def advanced(values: Mapping[str, str]) -> Values:
    """The secrets one stage further: what was introduced is used, and what was used before is gone."""
    found = dict(values)
    for name, stage in stages(values).items():
        _, rotation = rotations()[name]
        found = _used(found, rotation) if stage == NEXT else without(found, rotation, OLD)
    return found


def without(values: Mapping[str, str], rotation: Rotation, suffix: str) -> Values:
    """The secrets without the other values of a rotation."""
    return {name: value for name, value in values.items() if name not in {f"{variable}{suffix}" for variable in rotation.variables}}


def _used(values: Mapping[str, str], rotation: Rotation) -> Values:
    found = dict(values)
    for name in rotation.variables:
        found[f"{name}{OLD}"], found[name] = found[name], found.pop(f"{name}{NEXT}")
        if rotation.turns:
            found[f"{name}_turn"] = "" if found.get(f"{name}_turn") else "2"
    return found
