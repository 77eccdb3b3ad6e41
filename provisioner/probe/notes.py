"""The notes about what was applied to this host, the only thing the probe ever writes.

After a role has done its work, `record` notes what `witness.py` judges by. A note is removed before the first change, so that
a run which died leaves none.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from . import applied


def begin(asked: "dict[str, Any]") -> "dict[str, list[str]]":
    """Forget what was noted about these components: from now on until `record` nobody may rely on it."""
    for component in asked:
        if applied.note(component).exists():
            applied.note(component).unlink()
            _sync(applied.NOTES)
    return {component: [] for component in asked}


def stale(asked: "dict[str, dict[str, Any]]") -> "dict[str, list[str]]":
    """For each component ({witness}) its units that run with other settings than their files have now."""
    seen = applied.Seen([one["witness"] for one in asked.values()])
    return {component: [unit for unit, files in one["witness"]["units"].items() if seen.older(unit, files)]
            for component, one in asked.items()}


def record(asked: "dict[str, dict[str, Any]]") -> "dict[str, list[str]]":
    """Note what was applied ({witness, digest} by component), durably: written, synced, renamed, synced."""
    seen = applied.Seen([one["witness"] for one in asked.values()])
    Path(applied.NOTES).mkdir(mode=0o700, parents=True, exist_ok=True)
    for component, one in asked.items():
        found = {"digest": one["digest"], "time": time.time(), "witness": seen.of(one["witness"])}
        temporary = Path(applied.NOTES, component + ".new")
        with temporary.open("w") as file:
            json.dump(found, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o600)
        temporary.replace(applied.note(component))
    _sync(applied.NOTES)
    return {component: [] for component in asked}


def _sync(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
