"""The notes about what was applied to this host, and copies of what others had in our places: all that the probe ever writes.

After a role has done its work, `record` notes what `applied.py` judges by. A note is removed before the first change, so that
a run which died leaves none. Before the very first one `begin` lays files of others aside, and writes down which are ours from then on.
"""

import contextlib
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import applied

#: Where files are settings or programs; what lies elsewhere is data.
PLACES = ("/etc/", "/usr/local/")
#: Their roles keep what others wrote there.
MERGED = ("/etc/hosts", "/etc/resolv.conf")
#: In every file that a role writes and that can hold a comment.
MARK = b"Managed by provisioner"
HEAD = 1000


def begin(asked: "dict[str, Any]") -> "dict[str, list[str]]":
    """Forget what was noted about these components: from now on until `record` nobody may rely on it.

    What others have in the places of those whose witness is told is copied beside it first; answers the paths of the copies.
    """
    kept = {component: _take(component, one["witness"]) if one.get("witness") else [] for component, one in asked.items()}
    for component in asked:
        if applied.note(component).exists():
            applied.note(component).unlink()
            _sync(applied.NOTES)
    return kept


def forget(asked: "dict[str, Any]") -> "dict[str, list[str]]":
    """These components are gone: what is in their places from now on is somebody else's."""
    if not owned().keys().isdisjoint(asked):
        with _alone():
            _write(_owned_file(), {component: paths for component, paths in owned().items() if component not in asked})
    return begin({component: {} for component in asked})


def owned() -> "dict[str, list[str]]":
    """The files that are ours, by component."""
    try:
        found: dict[str, list[str]] = json.loads(_owned_file().read_text())
    except (OSError, ValueError):
        return {}
    return found


def known(component: str) -> bool:
    """Whether its role has begun to change this host before."""
    return component in owned() or applied.note(component).exists()


def others(component: str, witness: "dict[str, Any]") -> "list[str]":
    """Files of others where a component's are to be; none once it was applied here."""
    if known(component):
        return []
    ours = owned()
    mine = [path for paths in ours.values() for path in paths]
    return [path for path in _places(witness) if path not in mine and Path(path).is_file() and not Path(path).is_symlink()
            and not marked(path)]


def marked(path: str) -> bool:
    """Whether a file says that it is ours: in one of its first lines."""
    with Path(path).open("rb") as file:
        return MARK in file.read(HEAD)


def _take(component: str, witness: "dict[str, Any]") -> "list[str]":
    kept = []
    for path in others(component, witness):
        kept.append(path + time.strftime(".before-provision-%Y%m%dT%H%M%SZ", time.gmtime()))
        shutil.copy2(path, kept[-1])
        shutil.chown(kept[-1], Path(path).stat().st_uid, Path(path).stat().st_gid)
    with _alone():
        ours = owned()
        if ours.get(component) != _places(witness):
            _write(_owned_file(), {**ours, component: _places(witness)})
    return kept


def _places(witness: "dict[str, Any]") -> "list[str]":
    """What a role writes without regard to what was there."""
    found = witness["files"] + [path for files in witness["units"].values() for path in files]
    return sorted({path for path in found if path.startswith(PLACES) and path not in MERGED and "*" not in path})


@contextlib.contextmanager
def _alone() -> "Iterator[None]":
    """While it lasts nobody else changes what all components share: roles go side by side."""
    Path(applied.NOTES).mkdir(mode=0o700, parents=True, exist_ok=True)
    with Path(applied.NOTES, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _owned_file() -> Path:
    return Path(applied.NOTES, "owned")


def stale(asked: "dict[str, dict[str, Any]]") -> "dict[str, list[str]]":
    """For each component ({witness}) its units that run with other settings than their files have now, but for those to `leave`."""
    return _stale(asked, _seen(asked))


def record(asked: "dict[str, dict[str, Any]]") -> "dict[str, list[str]]":
    """Note what was applied ({witness, digest} by component), durably: written, synced, renamed, synced.

    Not of a component with units that are stale: answers those.
    """
    seen = _seen(asked)
    found = _stale(asked, seen)
    for component, one in asked.items():
        if not found[component]:
            _write(applied.note(component), {"digest": one["digest"], "time": time.time(), "witness": seen.of(one["witness"])})
    return found


def _seen(asked: "dict[str, dict[str, Any]]") -> applied.Seen:
    return applied.Seen([one["witness"] for one in asked.values()])


def _stale(asked: "dict[str, dict[str, Any]]", seen: applied.Seen) -> "dict[str, list[str]]":
    return {component: [unit for unit, files in one["witness"]["units"].items()
                        if unit not in one.get("leave", ()) and seen.older(unit, files)] for component, one in asked.items()}


def _write(path: Path, content: "dict[str, Any]") -> None:
    """Whole or not at all, also when the power goes."""
    Path(applied.NOTES).mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with temporary.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o600)
    temporary.replace(path)
    _sync(applied.NOTES)


def _sync(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
