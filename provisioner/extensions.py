"""What other distributions add to this one, by their entry points."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator


def entry_points(group: str) -> dict[str, str]:
    """Name → reference ("package.module:object") of every entry point of a group.

    As `importlib.metadata.entry_points`, whose import alone takes longer than `provision --help` may.
    """
    found: dict[str, str] = {}
    for text in _files():
        here = ""
        for line in map(str.strip, text.splitlines()):
            if line.startswith("["):
                here = line.strip("[]").strip()
            elif here == group and "=" in line:
                name, _, reference = line.partition("=")
                found.setdefault(name.strip(), reference.strip())
    return found


def load(reference: str) -> object:
    """The object that an entry point names."""
    from importlib import import_module

    module, _, name = reference.partition(":")
    return getattr(import_module(module), name) if name else import_module(module)


def _files() -> Iterator[str]:
    """The text of every `entry_points.txt`, in the order in which modules are looked for."""
    for folder in sys.path:
        try:
            with os.scandir(folder or ".") as entries:
                distributions = sorted(entry.path for entry in entries if entry.name.endswith((".dist-info", ".egg-info")))
        except OSError:  # a zip file, or a folder that is not there
            continue
        for distribution in distributions:
            try:
                with open(f"{distribution}/entry_points.txt", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - pathlib would take longer
                    yield file.read()
            except OSError:
                continue
