"""Reads lab/stand_ins, programs that take the place of artefacts which no package registry carries, and lays out what their packages hold.

Each is a Python package; its folder `packaging` holds a `stand_in.yml`, which says what is made of it and where its other files go.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from provisioner.errors import UsageError
from provisioner.mirror.files import file_sha256
from provisioner.mirror.images import Settings
from provisioner_lab.cache import digest

#: Where the Python of a Debian system finds what packages bring.
PYTHON = PurePosixPath("/usr/lib/python3/dist-packages")
_PACKAGING, _MANIFEST = "packaging", "stand_in.yml"
_KEYS = {"image": {"image", "tag", "entrypoint", "environment", "python", "files", "folders"},
         "package": {"package", "control", "python", "files", "folders"}}


@dataclass(frozen=True)
class Layout:
    """What a package or an image holds: by path on the host the file that it is a copy of; `folders` are those that are empty."""

    files: Mapping[PurePosixPath, Path]
    folders: tuple[PurePosixPath, ...] = ()

    @property
    def stamp(self) -> str:
        """Changes when a path, a permission to execute or a content changes."""
        rows = (f"{path} {source.stat().st_mode & 0o111} {file_sha256(source)}" for path, source in sorted(self.files.items()))
        return digest(*rows, *map(str, self.folders))

    def lay_out(self, root: Path) -> None:
        """Fills a folder with it."""
        for path, source in self.files.items():
            target = _below(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        for folder in self.folders:
            _below(root, folder).mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class DebStandIn:
    """A stand-in that is installed as a package; `control` are the control files of it."""

    name: str
    layout: Layout
    control: tuple[Path, ...]

    @property
    def stamp(self) -> str:
        """Changes when anything in it changes."""
        return digest(self.name, self.layout.stamp, *(f"{path.name} {file_sha256(path)}" for path in self.control))

    def lay_out(self, folder: Path) -> None:
        """Fills a folder with what `debs.build` makes a package of."""
        self.layout.lay_out(folder / "rootfs")
        (folder / "DEBIAN").mkdir()
        for path in self.control:
            shutil.copy(path, folder / "DEBIAN")


@dataclass(frozen=True)
class ImageStandIn:
    """A stand-in that runs as a container: what is laid over the base image."""

    name: str
    tag: str
    layout: Layout
    settings: Settings

    @property
    def stamp(self) -> str:
        """Changes when anything in it changes."""
        return digest(self.name, self.tag, repr(self.settings), self.layout.stamp)


def read_stand_ins(root: Path) -> tuple[tuple[DebStandIn, ...], tuple[ImageStandIn, ...]]:
    """All stand-ins under a folder. Raises UsageError for one whose manifest is wrong."""
    manifests = sorted(root.glob(f"*/{_PACKAGING}/{_MANIFEST}"))
    found = [_read(path) for path in manifests]
    return tuple(each for each in found if isinstance(each, DebStandIn)), tuple(each for each in found if isinstance(each, ImageStandIn))


def _read(manifest: Path) -> DebStandIn | ImageStandIn:
    try:
        data = yaml.safe_load(manifest.read_text())
        kind = next(kind for kind in _KEYS if kind in data)
        if unknown := sorted(set(data) - _KEYS[kind]):
            raise ValueError(f"unknown: {', '.join(unknown)}")
        layout = _layout(manifest.parent, data)
        if kind == "package":
            return DebStandIn(str(data["package"]), layout, tuple(_existing(manifest.parent / name) for name in data["control"]))
        settings = Settings(entrypoint=tuple(data["entrypoint"]), environment=dict(data.get("environment", {})))
        return ImageStandIn(str(data["image"]), str(data["tag"]), layout, settings)
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, StopIteration) as error:
        raise UsageError(f"this describes no stand-in: {error!r}", where=str(manifest),
                         hint='needed: "image", "tag" and "entrypoint", or "package" and "control"; "python" and "files" say what it '
                              'holds, if need be "folders" and an image\'s "environment"') from error


def _layout(packaging: Path, data: Mapping[str, Any]) -> Layout:
    files: dict[PurePosixPath, Path] = {}
    for name in data.get("python", []):
        files |= {PYTHON / name / source.name: source for source in _modules(packaging.parents[1] / name)}
    files |= {_absolute(path): _existing(packaging / name) for path, name in data.get("files", {}).items()}
    return Layout(files, tuple(_absolute(folder) for folder in data.get("folders", [])))


def _modules(package: Path) -> list[Path]:
    """The modules of a Python package and the data beside them."""
    _existing(package / "__init__.py")
    return sorted(path for path in package.iterdir() if path.is_file())


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no {path}")
    return path


def _absolute(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{text} is no absolute path")
    return path


def _below(root: Path, path: PurePosixPath) -> Path:
    return root / path.relative_to("/")
