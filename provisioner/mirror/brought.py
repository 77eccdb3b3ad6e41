"""Artefacts instead of the lab's own: DIR/deb/*.deb, DIR/images/*.tar as `docker save` writes them, DIR/archives/consul_*.zip."""

from __future__ import annotations

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.mirror.debs import Deb, read
from provisioner.mirror.images import Image, Layer, compress

#: As HashiCorp names its archives.
_CONSUL = re.compile(r"consul_(?P<version>[^_]+)_linux_[a-z0-9]+\.zip")


@dataclass(frozen=True)
class SavedImage:
    """One image in a `docker save` archive. `repository` is its name without a registry: `mesosphere/marathon`."""

    path: Path
    repository: str
    tag: str

    @property
    def name(self) -> str:
        """The last part of the name, by which it replaces a stand-in: `marathon`."""
        return self.repository.rpartition("/")[2]


@dataclass(frozen=True)
class SavedConsul:
    """An archive of Consul as HashiCorp publishes it."""

    path: Path
    version: str


@dataclass(frozen=True)
class Artifacts:
    """Everything found in the folder of artefacts."""

    debs: tuple[Deb, ...] = ()
    images: tuple[SavedImage, ...] = ()
    consul: SavedConsul | None = None

    @property
    def names(self) -> frozenset[str]:
        """Packages and images that are real here."""
        return frozenset(deb.package for deb in self.debs) | frozenset(image.name for image in self.images)

    @property
    def stamp(self) -> str:
        """Changes when a file is added, removed, renamed or written again."""
        paths = sorted({deb.path for deb in self.debs} | {image.path for image in self.images}
                       | ({self.consul.path} if self.consul else set()))
        return " ".join(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in paths)


def read_artifacts(folder: Path | None) -> Artifacts:
    """The artefacts in a folder; none when no folder is given. Raises UsageError when there is nothing usable in it."""
    if folder is None:
        return Artifacts()
    debs = tuple(read(path.resolve()) for path in sorted((folder / "deb").glob("*.deb")))
    images = tuple(image for path in sorted((folder / "images").glob("*.tar")) for image in saved(path.resolve()))
    archives = [path.resolve() for path in sorted((folder / "archives").glob("*.zip"))]
    consul = [SavedConsul(path, named["version"]) for path in archives if (named := _CONSUL.fullmatch(path.name))]
    if len(archives) > len(consul[:1]):
        raise UsageError("of archives a lab takes one, Consul's", where=str(folder / "archives"),
                         hint="name it as HashiCorp does: consul_VERSION_linux_ARCHITECTURE.zip")
    if not debs and not images and not archives:
        raise UsageError("no artefacts here", where=str(folder),
                         hint="put packages into deb/*.deb, what docker save writes into images/*.tar, Consul into archives/*.zip")
    return Artifacts(debs, images, consul[0] if consul else None)


def unpack(image: SavedImage, scratch: Path) -> Image:
    """The image with its layers compressed into `scratch`."""
    with tarfile.open(image.path) as archive:
        for entry in _manifest(archive, image.path):
            if f"{image.repository}:{image.tag}" in map(without_registry, entry.get("RepoTags") or []):
                config = _member(archive, entry["Config"], image.path)
                layers = tuple(_layer(archive, name, image.path, scratch) for name in entry["Layers"])
                return Image(image.repository, image.tag, config, layers)
    raise UsageError(f"{image.repository}:{image.tag} is not in it any more", where=str(image.path), hint="try again")


def saved(path: Path) -> list[SavedImage]:
    """The images with a name in what `docker save` wrote. Raises UsageError."""
    try:
        with tarfile.open(path) as archive:
            tags = [tag for entry in _manifest(archive, path) for tag in entry.get("RepoTags") or []]
    except tarfile.TarError as error:
        raise UsageError(f"this is no tar file: {error}", where=str(path), hint="write it with: docker save -o FILE NAME:TAG") from error
    if not tags:
        raise UsageError("no image in it has a name", where=str(path), hint="save it by its name: docker save -o FILE NAME:TAG")
    return [SavedImage(path, *without_registry(tag).rsplit(":", 1)) for tag in tags]


def _manifest(archive: tarfile.TarFile, path: Path) -> list[dict[str, list[str]]]:
    rows: list[dict[str, list[str]]] = json.loads(_member(archive, "manifest.json", path))
    return rows


def _member(archive: tarfile.TarFile, name: object, path: Path) -> bytes:
    try:
        file = archive.extractfile(str(name))
    except KeyError:
        file = None
    if file is None:
        raise UsageError(f"it has no {name}", where=str(path), hint="write it with: docker save -o FILE NAME:TAG")
    with file:
        return file.read()


def _layer(archive: tarfile.TarFile, name: str, path: Path, scratch: Path) -> Layer:
    file = archive.extractfile(name)
    if file is None:
        raise UsageError(f"it has no {name}", where=str(path), hint="write it with: docker save -o FILE NAME:TAG")
    with file:
        return compress(file, scratch / f"{path.stem}-{name.replace('/', '-')}.gz")  # type: ignore[arg-type]


def without_registry(reference: str) -> str:
    """`registry.example:5000/mesosphere/marathon:v1` → `mesosphere/marathon:v1`."""
    first, slash, rest = reference.partition("/")
    return rest if slash and ("." in first or ":" in first or first == "localhost") else reference
