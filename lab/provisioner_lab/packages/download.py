"""What is downloaded once and kept: package lists with their whole closure, single packages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provisioner.mirror import apt
from provisioner.mirror.debs import control, depends
from provisioner.mirror.programs import Say, working
from provisioner_lab.cache import cache_dir, digest, forget_older, made
from provisioner_lab.commands import run_contained
from provisioner_lab.packages.lists import listed
from provisioner_lab.systems import System


def node_pool(which: System, image: str, say: Say) -> Path:
    """A folder with every package that lab nodes of this system install, downloaded once.

    Each line of the list is resolved by itself against the packages of the node image, so lines may exclude each other.
    """
    lines = listed(which)
    pool = cache_dir() / f"pool-{which.name}-{digest(image, *map(' '.join, lines))}"
    if not made(pool):
        with working(say, f"packages for the mirror ({which.name})"):
            apt.download(which.codename, _installed(which, image), lines, pool)
        forget_older(pool)
    return pool


def needed_by(which: System, image: str, files: Sequence[Path], say: Say) -> Path:
    """A folder with the distribution's packages that these package files depend on and a node lacks, downloaded once.

    Raises ProvisionError when the distribution can't satisfy one of them.
    """
    target = cache_dir() / f"needed-{which.name}-{digest(image, *map(depends, files))}"
    if not made(target):
        with working(say, f"what {', '.join(file.name for file in files)} depend on"):
            apt.download(which.codename, _installed(which, image), together(files), target)
        forget_older(target)
    return target


def together(files: Sequence[Path]) -> list[list[str]]:
    """Each package file in a line with those among the others that it needs: no distribution has them in that version."""
    controls = {found.name: found for found in map(control, files)}
    lines = []
    for first in controls.values():
        needed, waiting = dict[str, str](), [first]
        while waiting:
            one = waiting.pop()
            needed[one.name] = str(one.path)
            waiting += [controls[name] for names in one.depends for name in names if name in controls and name not in needed]
        lines.append([*needed.values()])
    return lines


def closure(which: System, image: str, names: Sequence[str], say: Say) -> Path:
    """A folder with these packages and everything they depend on that an image of the system lacks, downloaded once."""
    folder = cache_dir() / f"closure-{which.name}-{'-'.join(names)}-{digest(image)}"
    if not made(folder):
        with working(say, f"{' and '.join(names)} with dependencies ({which.codename})"):
            apt.download(which.codename, _installed(which, image), [[*names]], folder)
        forget_older(folder)
    return folder


def single(codename: str, package: str, say: Say) -> Path:
    """One package of a Debian release, without what it depends on, downloaded once."""
    folder = cache_dir() / f"package-{codename}-{package}"
    if not made(folder):
        with working(say, f"package {package} ({codename})"):
            apt.download(codename, None, [[package]], folder)
    return next(folder.glob(f"{package}_*.deb"))


def _installed(which: System, image: str) -> str:
    path = "/usr/lib/lab-origin/dpkg/status" if which.red_hat else "/var/lib/dpkg/status"
    return run_contained([image, "cat", path], what="packages of the node image")
