"""/metrics/snapshot: every recorded name is there, zero unless the stand-in knows better."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"


def snapshot(program: str, values: Mapping[str, float]) -> dict[str, float]:
    """All metrics of `master` or `agent`, with `values` over the zeros; sorted as the real endpoint does."""
    names: list[str] = json.loads((_DATA / f"metrics_{program}.json").read_text())
    shown = dict.fromkeys(names, 0.0)
    shown.update(_system())
    shown.update({name: float(value) for name, value in values.items()})
    return dict(sorted(shown.items()))


def v1(values: Mapping[str, float]) -> list[dict[str, Any]]:
    """The list of GET_METRICS."""
    return [{"name": name, "value": value} for name, value in values.items()]


def _system() -> dict[str, float]:
    page = os.sysconf("SC_PAGE_SIZE")
    one, five, fifteen = os.getloadavg()
    return {
        "system/cpus_total": float(os.cpu_count() or 1),
        "system/load_1min": one,
        "system/load_5min": five,
        "system/load_15min": fifteen,
        "system/mem_total_bytes": float(os.sysconf("SC_PHYS_PAGES") * page),
        "system/mem_free_bytes": float(os.sysconf("SC_AVPHYS_PAGES") * page),
    }


def stats() -> dict[str, float]:
    """/system/stats.json."""
    values = {name.partition("/")[2]: value for name, value in _system().items()}
    shown = {f"avg_{name}": value for name, value in values.items() if name.startswith("load")}
    return {**shown, **{name: int(value) for name, value in values.items() if not name.startswith("load")}}
