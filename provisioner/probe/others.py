"""What others have on this host where our components are to be: files in the same places, and files that our programs will read."""

from pathlib import Path
from typing import Any

from . import notes
from .files import read

#: Enough for settings; what is longer is cut.
MAX_TEXT = 4000


def others(asked: "dict[str, dict[str, Any]]") -> "list[dict[str, Any]]":
    """By component ({witness, reads: [pattern]}), {component, path, replaced} for each file of somebody else.

    `replaced`: a role will write it; else the component's program reads it besides ours. None once a component was applied here.
    """
    found = []
    for component, one in asked.items():
        if notes.known(component):
            continue
        replaced = notes.others(component, one["witness"])
        beside = [path for path in matching(one["reads"]) if path not in replaced and not notes.marked(path)]
        found += [{"component": component, "path": path, "replaced": path in replaced} for path in [*replaced, *beside]]
    return found


def texts(patterns: "list[str]") -> "list[dict[str, str]]":
    """{path, text} of the files that match absolute patterns."""
    return [{"path": path, "text": read(path)[:MAX_TEXT]} for path in matching(patterns)]


def matching(patterns: "list[str]") -> "list[str]":
    """Files by absolute patterns."""
    return [str(path) for pattern in patterns for path in sorted(Path("/").glob(pattern.lstrip("/"))) if path.is_file()]
