"""Bootstraps the images of a lab from this machine's own package sources; no image registry is asked for anything."""

from __future__ import annotations

import json
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

from provisioner.mirror import apt
from provisioner.mirror.images import Layer, compress
from provisioner.mirror.programs import Say, attempt, run
from provisioner_lab.cache import cache_dir, digest
from provisioner_lab.commands import run_logged
from provisioner_lab.packages.lists import read_packages
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import SERVICE_SYSTEM, System

# Documentation is half of the files of a small system. Nobody reads it in a container, and a container that is made again
# needs no flush to disk after each package. The folders of the manual pages stay: some packages put links there.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/man/man*/*",
    "path-exclude=/usr/share/man/*/man*/*",
    "path-exclude=/usr/share/locale/*",
    "force-unsafe-io",
)


@dataclass(frozen=True)
class Recipe:
    """How an image is made: `variant` is mmdebstrap's word for the smallest set of packages, `scripts` run at the end."""

    name: str
    label: str
    system: System
    variant: str
    packages: tuple[str, ...]
    change: str
    scripts: tuple[Path, ...] = ()

    @property
    def tag(self) -> str:
        """The image's tag; it changes when the recipe does."""
        scripts = [script.read_bytes() for script in self.scripts] or [b""]
        stamp = digest(self.system.codename, self.variant, *self.packages, self.change, *scripts, *_DPKG_OPTIONS)
        return f"{self.name}:{self.label}-{stamp}"


def node_recipe(which: System) -> Recipe:
    """A lab host of this operating system."""
    folder = lab_dir() / "node"
    names = "redhat-packages.txt" if which.red_hat else "packages.txt"
    scripts = ["customize.sh", *(["redhat.sh"] if which.red_hat else [])]
    packages = tuple(name for line in read_packages(folder / names) for name in line)
    paths = tuple(folder / script for script in scripts)
    return Recipe("provisioner-lab-node", which.name, which, "minbase", packages, 'ENV container="docker"', paths)


def python_recipe() -> Recipe:
    """What the mirror and the stand-in images are laid over."""
    packages = tuple(name for line in read_packages(lab_dir() / "images" / "python-packages.txt") for name in line)
    return Recipe("provisioner-lab-python", SERVICE_SYSTEM.name, SERVICE_SYSTEM, "essential", packages, 'CMD ["python3"]')


def node_image(which: System, say: Say) -> str:
    """The tag of the node image of an operating system, built if need be (about a minute, seconds where it is kept)."""
    recipe = node_recipe(which)
    if not exists(recipe.tag):
        _provide(recipe, say)
    return recipe.tag


def python_image(say: Say) -> tuple[str, Layer]:
    """The tag of the Python image, and its one layer for a registry; built if need be (about half a minute)."""
    recipe = python_recipe()
    packed, note = _kept(recipe)
    if not note.exists() or not exists(recipe.tag):
        _provide(recipe, say)
    return recipe.tag, Layer(packed, *json.loads(note.read_text()))


def exists(tag: str) -> bool:
    """Does the engine have this image?"""
    return attempt(["docker", "image", "inspect", "--format", "{{.Id}}", tag]).returncode == 0


def _kept(recipe: Recipe) -> tuple[Path, Path]:
    """Where an image stays outside the engine, so that another engine can have it: its one layer, and the layer's digests, written last."""
    stem = f"{recipe.name.rpartition('-')[2]}-{recipe.tag.rpartition(':')[2]}"
    return cache_dir() / f"{stem}.tar.gz", cache_dir() / f"{stem}.json"


def _provide(recipe: Recipe, say: Say) -> None:
    """The image out of the cache, or bootstrapped."""
    packed, note = _kept(recipe)
    if note.exists():
        _import(recipe, packed)
    else:
        for older in cache_dir().glob(f"{packed.name.rpartition('-')[0]}-*"):
            older.unlink()
        _bootstrap(recipe, say)
    _forget_older(recipe)


def _import(recipe: Recipe, archive: Path) -> None:
    run(["docker", "import", "--change", recipe.change, str(archive), recipe.tag], what=f"importing image {recipe.tag}", timeout=300)


def _bootstrap(recipe: Recipe, say: Say) -> None:
    what = f"image {recipe.tag.partition(':')[0]} ({recipe.system.name})"
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="bootstrap-") as scratch:
        archive = Path(scratch) / "root.tar"
        options = [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
        hooks = [f"--customize-hook=sh {shlex.quote(str(script))} \"$1\"" for script in recipe.scripts]
        start = ["mmdebstrap", "--quiet", f"--variant={recipe.variant}", f"--include={','.join(recipe.packages)}"]
        place = [recipe.system.codename, str(archive), *apt.own_sources(recipe.system.codename)]
        log = cache_dir() / "logs" / f"{recipe.tag.replace(':', '-')}.log"
        run_logged([*start, *options, *hooks, *place], log, say=say, what=what)
        _import(recipe, archive)
        packed, note = _kept(recipe)
        with archive.open("rb") as file:
            layer = compress(file, packed)
        note.write_text(json.dumps([layer.digest, layer.diff_id]))


def _forget_older(recipe: Recipe) -> None:
    """Removes what earlier recipes made, as far as no container needs it."""
    listing = run(["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", recipe.name], what="images of the lab")
    for tag in listing.split():
        if tag != recipe.tag and tag.startswith(f"{recipe.name}:{recipe.label}-"):
            attempt(["docker", "image", "rm", tag])
