"""Downloads Debian packages with this machine's apt, as if it were another system: a package list with its whole closure."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner_lab.cache import cache_dir, digest, forget_older, made
from provisioner_lab.commands import Say, attempt, failure, run_contained, working
from provisioner_lab.packages.debs import control, depends
from provisioner_lab.packages.lists import listed
from provisioner_lab.systems import System, sources

_DOWNLOAD_SECONDS = 900.0
_FRESH_SECONDS = 3600.0


def node_pool(which: System, image: str, say: Say) -> Path:
    """A folder with every package that lab nodes of this system install, downloaded once.

    Each line of the list is resolved by itself against the packages of the node image, so lines may exclude each other.
    """
    lines = listed(which)
    pool = cache_dir() / f"pool-{which.name}-{digest(image, *map(' '.join, lines))}"
    if not made(pool):
        with working(say, f"packages for the mirror ({which.name})"):
            _download(which.codename, _installed(which, image), lines, pool)
        forget_older(pool)
    return pool


def needed_by(which: System, image: str, files: Sequence[Path], say: Say) -> Path:
    """A folder with the distribution's packages that these package files depend on and a node lacks, downloaded once.

    Raises ProvisionError when the distribution can't satisfy one of them.
    """
    target = cache_dir() / f"needed-{which.name}-{digest(image, *map(depends, files))}"
    if not made(target):
        with working(say, f"what {', '.join(file.name for file in files)} depend on"):
            _download(which.codename, _installed(which, image), together(files), target)
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
            _download(which.codename, _installed(which, image), [[*names]], folder)
        forget_older(folder)
    return folder


def single(codename: str, package: str, say: Say) -> Path:
    """One package of a Debian release, without what it depends on, downloaded once."""
    folder = cache_dir() / f"package-{codename}-{package}"
    if not made(folder):
        with working(say, f"package {package} ({codename})"):
            _download(codename, None, [[package]], folder)
    return next(folder.glob(f"{package}_*.deb"))


def _installed(which: System, image: str) -> str:
    path = "/usr/lib/lab-origin/dpkg/status" if which.red_hat else "/var/lib/dpkg/status"
    return run_contained([image, "cat", path], what="packages of the node image")


def _download(codename: str, status: str | None, lines: list[list[str]], target: Path) -> None:
    """Fills `target`. `status` is dpkg's list of what is installed; None leaves out what the packages depend on."""
    # The lists of packages are kept: reading them again for each package would take longer than the download.
    lists = cache_dir() / f"lists-{codename}"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="apt-") as scratch:
        root = Path(scratch)
        (root / "archives" / "partial").mkdir(parents=True)
        (root / "status").write_text(status or "")
        (root / "sources.list").write_text("\n".join(sources(codename)) + "\n")
        stamp = lists / "updated"
        if not stamp.exists() or time.time() - stamp.stat().st_mtime > _FRESH_SECONDS:
            _apt(root, lists, "update")
            stamp.touch()
        for line in lines:
            if status is None:
                _apt(root, lists, "download", *line)
            else:
                _fetch(root, lists, codename, line)
        shutil.rmtree(root / "archives" / "partial")
        (root / "archives" / "lock").unlink(missing_ok=True)
        (root / "archives").rename(target)


def _fetch(root: Path, lists: Path, codename: str, names: list[str]) -> None:
    """Packages with what they depend on. Lists of updates may name files that are gone; those of the release itself stay for ever."""
    options = ("--download-only", "--yes", "--no-install-recommends", *names)
    try:
        _apt(root, lists, "install", *options)
    except GoneError:
        _apt(root, lists, "install", "--target-release", codename, *options)


def _apt(root: Path, lists: Path, verb: str, *arguments: str) -> None:
    """apt with folders of its own: it neither sees nor changes what is installed on this machine. Raises GoneError, ProvisionError."""
    options = {
        "Dir::State": root,
        "Dir::State::lists": lists,
        "Dir::State::status": root / "status",
        "Dir::Cache": root,
        "Dir::Cache::archives": root / "archives",
        "Dir::Etc::sourcelist": root / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::Etc::preferences": "-",
        "Dir::Etc::preferencesparts": "-",
        # apt drops its privileges for downloads, and then can't write into a folder of ours
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "true",
    }
    flags = [flag for key, value in options.items() for flag in ("--option", f"{key}={value}")]
    what = f"apt-get {verb} {' '.join(arguments[-3:])}".rstrip()
    done = attempt(["apt-get", "--quiet", *flags, verb, *arguments], timeout=_DOWNLOAD_SECONDS, cwd=root / "archives")
    if done.returncode != 0:
        raise refused(what, done.returncode, done.stderr.decode(errors="replace") or done.stdout.decode(errors="replace"))


class GoneError(ProvisionError):
    """The package source lists files that it no longer has."""


def refused(what: str, code: int, said: str) -> ProvisionError:
    """The error for an apt that failed: its complaints, and what they mean where a file is gone from the package source."""
    complaints = [line for line in said.splitlines() if line.startswith("E:")]
    error = failure(what, code, "\n".join(complaints) or said)
    if not any(" 404 " in line for line in complaints):
        return error
    return GoneError(error.message, hint="the package source lists files that it no longer has: choose another --os, or give this "
                                         "machine's apt a source that has them")
