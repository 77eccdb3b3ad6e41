"""Where the files lie that labs are made of: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def lab_dir() -> Path:
    """The folder that holds `images`, `mesos`, `mirror`, `node`, `stand_ins`, `vagrant` and `vendors`."""
    inside = _PACKAGE / "_data"
    return inside if inside.is_dir() else _PACKAGE.parent
