"""What a Mesos agent offers to tasks: the port ranges in `--resources`."""

from __future__ import annotations

import json
import re

#: What it offers unless told otherwise (Mesos documentation, "attributes and resources").
TASK_PORTS = (31000, 32000)
_PAIR = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")


def task_ports(resources: str) -> list[tuple[int, int]]:
    """The port ranges in an agent's `--resources`, as text or as JSON. Raises ValueError for what is neither."""
    found = _json_ports(resources) if resources.lstrip().startswith("[") else _text_ports(resources)
    for first, last in found:
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"has the port range {first}-{last}")
    return found or [TASK_PORTS]


def _text_ports(resources: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for part in filter(None, (p.strip() for p in resources.split(";"))):
        name, colon, value = part.partition(":")
        if not colon or not name or not value:
            raise ValueError("must look like 'cpus:4;mem:8192;ports:[31000-32000]'")
        if re.fullmatch(r"ports(\([^()]*\))?", name.strip()):
            ranges = re.fullmatch(r"\s*\[([0-9,\s-]*)\]\s*", value)
            pairs = [_PAIR.fullmatch(r) for r in (ranges[1] if ranges else "").split(",")]
            if not all(pairs):
                raise ValueError("must have its ports like ports:[31000-32000]")
            found += [(int(p[1]), int(p[2])) for p in pairs if p]
    return found


def _json_ports(resources: str) -> list[tuple[int, int]]:
    try:
        ports = [r for r in json.loads(resources) if r["name"] == "ports"]
        return [(int(r["begin"]), int(r["end"])) for p in ports for r in p["ranges"]["range"]]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise ValueError("is neither 'name:value;...' nor a JSON list of resources") from None
