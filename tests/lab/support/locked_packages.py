"""Packages that tests use apart from this project's environment: each lock's, in a folder of its own in the lab's cache."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from provisioner_lab.cache import cache_dir, digest, forget_older, made


def installed(lock: Path) -> Path:
    """The folder with the packages of a lock file, installed once on a machine. They need nothing that is not in it."""
    target = cache_dir() / f"{lock.parent.name}-{digest(lock.read_text(), sys.version)}"
    if not made(target):
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            place = Path(scratch) / "packages"
            # What a package is built with is in this project's own lock.
            subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-compile",
                            "--require-hashes", "--target", str(place), "--requirement", str(lock)], check=True)
            place.rename(target)
        forget_older(target)
    return target
