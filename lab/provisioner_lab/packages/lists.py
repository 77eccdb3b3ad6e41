"""Lists of packages, one line for those that are installed together."""

from __future__ import annotations

from pathlib import Path

from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import System


def list_path(which: System) -> Path:
    """The list of what the roles install on hosts of this system."""
    return lab_dir() / "mirror" / ("redhat-packages.txt" if which.red_hat else "packages.txt")


def listed(which: System) -> list[list[str]]:
    """The lines of that list, with the names that they stand for on this system."""
    lines = [[which.java if name == "java-runtime" else name for name in line] for line in read_packages(list_path(which))]
    return lines + [[name] for name in which.further]


def read_packages(path: Path) -> list[list[str]]:
    """The lines of a package list, comments left out, each split into its packages."""
    lines = [line.partition("#")[0].split() for line in path.read_text().splitlines()]
    return [line for line in lines if line]
