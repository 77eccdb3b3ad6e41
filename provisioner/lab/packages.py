"""Downloads Debian packages with this machine's apt, as if it were another system: a package list with its whole closure."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.lab.cache import cache_dir, digest
from provisioner.lab.commands import Say, run, working
from provisioner.lab.debs import depends
from provisioner.lab.images import read_packages
from provisioner.lab.systems import System, sources
from provisioner.paths import lab_dir

_DOWNLOAD_SECONDS = 900.0
_FRESH_SECONDS = 3600.0


def list_path() -> Path:
    """The list of what the roles install."""
    return lab_dir() / "mirror" / "packages.txt"


def node_pool(which: System, image: str, say: Say) -> Path:
    """A folder with every package that lab nodes of this system install, downloaded once.

    Each line of lab/mirror/packages.txt is resolved by itself against the packages of the node image, so lines may exclude
    each other.
    """
    lines = [[which.java if name == "java-runtime" else name for name in line] for line in read_packages(list_path())]
    pool = cache_dir() / f"pool-{which.name}-{digest(image, *map(' '.join, lines))}"
    if not pool.is_dir():
        with working(say, f"packages for the mirror ({which.name})"):
            _download(which.codename, _installed(image), lines, pool)
        _forget_older(pool)
    return pool


def needed_by(which: System, image: str, files: Sequence[Path], say: Say) -> Path:
    """A folder with the distribution's packages that these package files depend on and a node lacks, downloaded once.

    Raises ProvisionError when the distribution can't satisfy one of them.
    """
    target = cache_dir() / f"needed-{which.name}-{digest(image, *map(depends, files))}"
    if not target.is_dir():
        with working(say, f"what {', '.join(file.name for file in files)} depend on"):
            _download(which.codename, _installed(image), [[str(file)] for file in files], target)
        _forget_older(target)
    return target


def single(codename: str, package: str, say: Say) -> Path:
    """One package of a Debian release, without what it depends on, downloaded once."""
    folder = cache_dir() / f"package-{codename}-{package}"
    if not folder.is_dir():
        with working(say, f"package {package} ({codename})"):
            _download(codename, None, [[package]], folder)
    return next(folder.glob(f"{package}_*.deb"))


def _forget_older(folder: Path) -> None:
    for older in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if older != folder:
            shutil.rmtree(older)


def _installed(image: str) -> str:
    command = ["docker", "run", "--rm", "--network", "none", image, "cat", "/var/lib/dpkg/status"]
    return run(command, what="packages of the node image")


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
                _apt(root, lists, "install", "--download-only", "--yes", "--no-install-recommends", *line)
        shutil.rmtree(root / "archives" / "partial")
        (root / "archives" / "lock").unlink(missing_ok=True)
        (root / "archives").rename(target)


def _apt(root: Path, lists: Path, verb: str, *arguments: str) -> None:
    """apt with folders of its own: it neither sees nor changes what is installed on this machine."""
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
    run(["apt-get", "--quiet", *flags, verb, *arguments], what=what, timeout=_DOWNLOAD_SECONDS, cwd=root / "archives")
