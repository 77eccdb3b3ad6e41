"""Reads lab/stand_ins: programs that take the place of artefacts which no package registry carries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import UsageError
from provisioner_lab.cache import digest, tree_digest
from provisioner_lab.image_layers import Settings


@dataclass(frozen=True)
class DebStandIn:
    """A stand-in that is installed as a package; `folder` has `DEBIAN` and `rootfs`."""

    name: str
    folder: Path

    @property
    def stamp(self) -> str:
        """Changes when anything in it changes."""
        return tree_digest(self.folder)


@dataclass(frozen=True)
class ImageStandIn:
    """A stand-in that runs as a container; `folders` are laid over the base image in this order."""

    name: str
    tag: str
    folders: tuple[Path, ...]
    settings: Settings

    @property
    def stamp(self) -> str:
        """Changes when anything in it changes."""
        return digest(self.name, self.tag, repr(self.settings), *(tree_digest(folder) for folder in self.folders))


def read_stand_ins(root: Path) -> tuple[tuple[DebStandIn, ...], tuple[ImageStandIn, ...]]:
    """All stand-ins under a folder: those with DEBIAN/control are packages, those with image.json are images, others are shared parts."""
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    debs = tuple(DebStandIn(folder.name, folder) for folder in folders if (folder / "DEBIAN" / "control").is_file())
    images = tuple(_image(folder) for folder in folders if (folder / "image.json").is_file())
    return debs, images


def _image(folder: Path) -> ImageStandIn:
    where = folder / "image.json"
    try:
        data: Mapping[str, Any] = json.loads(where.read_text())
        overlays = tuple((folder / overlay).resolve() for overlay in data.get("overlays", []))
        settings = Settings(
            entrypoint=tuple(data["entrypoint"]), environment=dict(data.get("env", {})), workdir=str(data.get("workdir", "/")),
        )
        image = ImageStandIn(str(data["name"]), str(data["tag"]), (*overlays, folder / "rootfs"), settings)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"this describes no image: {error!r}", where=str(where),
                         hint='needed: "name", "tag", "entrypoint"; if need be "env", "workdir", "overlays"') from error
    for part in image.folders:
        if not part.is_dir():
            raise UsageError(f"the folder {part} is missing", where=str(where), hint="correct `overlays`, or add the folder")
    return image
