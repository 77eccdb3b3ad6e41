"""Resources (cpus, mem, disk, gpus, port ranges) and attributes: parsing, arithmetic and both JSON shapes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesos_standin.flags import FlagError, parse_json

Range = tuple[int, int]
_RANGES = re.compile(r"\[\s*\d+\s*-\s*\d+\s*(,\s*\d+\s*-\s*\d+\s*)*\]")
_SCALAR = re.compile(r"\d+(\.\d+)?")
_MB = 1024 * 1024


@dataclass(frozen=True)
class Resources:
    """Unreserved resources: scalars by name (mem and disk in MB) and ranges by name. The stand-in has no roles' reservations."""

    scalars: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[Range, ...]] = field(default_factory=dict)

    def __add__(self, other: Resources) -> Resources:
        names = {**self.scalars, **other.scalars}
        spans = {**self.ranges, **other.ranges}
        return Resources(
            {n: round(self.scalars.get(n, 0.0) + other.scalars.get(n, 0.0), 3) for n in names},
            {n: _merge((*self.ranges.get(n, ()), *other.ranges.get(n, ()))) for n in spans},
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            {n: max(0.0, round(v - other.scalars.get(n, 0.0), 3)) for n, v in self.scalars.items()},
            {n: _without(v, other.ranges.get(n, ())) for n, v in self.ranges.items()},
        )

    def contains(self, other: Resources) -> bool:
        """Whether every resource of `other` is available here."""
        return all(v <= self.scalars.get(n, 0.0) + 1e-9 for n, v in other.scalars.items()) and all(
            not _without(v, self.ranges.get(n, ())) for n, v in other.ranges.items()
        )

    def v0(self) -> dict[str, Any]:
        """The shape of /state and /slaves."""
        shown: dict[str, Any] = {name: float(self.scalars.get(name, 0.0)) for name in ("disk", "mem", "gpus", "cpus")}
        shown.update({name: float(value) for name, value in self.scalars.items()})
        shown.update({name: ranges_text(spans) for name, spans in self.ranges.items() if spans})
        return shown

    def v1(self, **extra: Any) -> list[dict[str, Any]]:
        """The shape of the v1 API; `extra` is added to each resource (role, allocation_info)."""
        rows: list[dict[str, Any]] = [
            {"name": name, "type": "SCALAR", "scalar": {"value": float(value)}, **extra}
            for name, value in self.scalars.items()
            if value > 0
        ]
        for name, spans in self.ranges.items():
            listed = [{"begin": begin, "end": end} for begin, end in spans]
            if listed:
                rows.append({"name": name, "type": "RANGES", "ranges": {"range": listed}, **extra})
        return rows

    def text(self) -> str:
        """The form of the logs and of --resources."""
        parts = [f"{n}:{v:g}" for n, v in self.scalars.items() if v > 0]
        return "; ".join(parts + [f"{n}:{ranges_text(s)}" for n, s in self.ranges.items() if s])


def ranges_text(spans: Iterable[Range]) -> str:
    """`[31000-31999, 40000-40001]`."""
    return "[" + ", ".join(f"{begin}-{end}" for begin, end in spans) + "]"


def _merge(spans: Iterable[Range]) -> tuple[Range, ...]:
    merged: list[Range] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)


def _without(spans: tuple[Range, ...], taken: tuple[Range, ...]) -> tuple[Range, ...]:
    left = list(spans)
    for begin, end in taken:
        pieces = []
        for low, high in left:
            pieces += [(low, min(high, begin - 1)), (max(low, end + 1), high)]
        left = [(low, high) for low, high in pieces if low <= high]
    return _merge(left)


def from_v1(rows: Iterable[Mapping[str, Any]]) -> Resources:
    """Resources of an API message; FlagError('Missing required fields: ...') when one is malformed."""
    total = Resources()
    for row in rows:
        for required in ("name", "type"):
            if required not in row:
                raise FlagError(f"Missing required fields: {required}")
        if row["type"] == "SCALAR":
            total += Resources({row["name"]: float(row["scalar"]["value"])})
        elif row["type"] == "RANGES":
            spans = [(int(span["begin"]), int(span["end"])) for span in row["ranges"]["range"]]
            total += Resources({}, {row["name"]: _merge(spans)})
    return total


def parse_resources(text: str, disk_path: str) -> Resources:
    """--resources completed by what the machine has (cpus, mem, disk of `disk_path`, ports); FlagError as recorded."""
    given = Resources()
    if text.lstrip().startswith("["):
        try:
            given = from_v1(parse_json(text))
        except FlagError as error:
            raise FlagError(f"Some JSON resources were not formatted properly: {error}") from None
    else:
        for pair in filter(None, (part.strip() for part in text.split(";"))):
            given += _resource(pair)
    ranges = given.ranges if "ports" in given.ranges else {**given.ranges, "ports": ((31000, 32000),)}
    detected = {name: given.scalars.get(name, value) for name, value in _detected(disk_path).items()}
    return Resources({**detected, **given.scalars}, ranges)


def _resource(pair: str) -> Resources:
    name, _, value = pair.partition(":")
    if not value or ":" in value:
        raise FlagError(f"Bad value for resources, missing or extra ':' in {pair}")
    if "(" in name:
        raise FlagError(f"The stand-in knows no reserved resources: {pair}")
    if _RANGES.fullmatch(value):
        return Resources({}, {name: _merge(_spans(value))})
    if not _SCALAR.fullmatch(value):
        raise FlagError(f"Bad type for resource {name} value {value} type TEXT")
    return Resources({name: float(value)})


def _spans(value: str) -> list[Range]:
    return [(int(a), int(b)) for a, b in (span.split("-") for span in value.strip("[] ").split(","))]


def _detected(disk_path: str) -> dict[str, float]:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MB
    existing = next(folder for folder in (Path(disk_path), *Path(disk_path).parents) if folder.exists())
    disk = shutil.disk_usage(existing).total // _MB
    return {
        "cpus": float(os.cpu_count() or 1),
        "mem": float(memory - 1024 if memory >= 2048 else memory // 2),
        "disk": float(disk - 5120 if disk >= 10240 else disk // 2),
    }


def parse_attributes(text: str) -> list[dict[str, Any]] | None:
    """--attributes as v1 messages, or None when a pair has no value (the real agent aborts then; contract item 3)."""
    rows: list[dict[str, Any]] = []
    for pair in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = pair.partition(":")
        if not name or not value:
            return None
        if _RANGES.fullmatch(value):
            listed = [{"begin": begin, "end": end} for begin, end in _spans(value)]
            rows.append({"name": name, "type": "RANGES", "ranges": {"range": listed}})
        elif _SCALAR.fullmatch(value):
            rows.append({"name": name, "type": "SCALAR", "scalar": {"value": float(value)}})
        else:
            rows.append({"name": name, "type": "TEXT", "text": {"value": value}})
    return rows


def attributes_v0(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Attributes in the shape of /slaves."""
    shown: dict[str, Any] = {}
    for row in rows:
        if row["type"] == "RANGES":
            shown[row["name"]] = ranges_text((span["begin"], span["end"]) for span in row["ranges"]["range"])
        else:
            shown[row["name"]] = row[row["type"].lower()]["value"]
    return shown
