"""Container images made from folders and tar files, without an engine: compressed layers, a configuration, a manifest."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from provisioner.errors import UsageError
from provisioner.mirror.files import file_sha256
from provisioner.mirror.storage import Storage

_MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
_LAYER_TYPE = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_COMPRESSION = 4
# On a merged-/usr system these are links; a folder of that name in a layer would replace the link and hide everything behind it.
_MERGED = ("bin", "sbin", "lib", "lib64")


@dataclass(frozen=True)
class Layer:
    """A compressed layer file. `digest` is the SHA-256 of the file, `diff_id` that of the tar inside it, both in hex."""

    path: Path
    digest: str
    diff_id: str


@dataclass(frozen=True)
class Image:
    """An image as a registry serves it; `config` is the exact JSON text."""

    name: str
    tag: str
    config: bytes
    layers: tuple[Layer, ...]

    @property
    def manifest(self) -> bytes:
        """The exact JSON text of the manifest (Docker image manifest, version 2, schema 2)."""
        layers = [_descriptor(_LAYER_TYPE, layer.path.stat().st_size, layer.digest) for layer in self.layers]
        config = _descriptor(_CONFIG_TYPE, len(self.config), hashlib.sha256(self.config).hexdigest())
        return json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST_TYPE, "config": config, "layers": layers}).encode()

    @property
    def digest(self) -> str:
        """`sha256:…` of the manifest, by which the image can be pulled exactly."""
        return f"sha256:{hashlib.sha256(self.manifest).hexdigest()}"


@dataclass(frozen=True)
class Settings:
    """How a container of an image starts."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    workdir: str = "/"


def compress(source: BinaryIO, target: Path) -> Layer:
    """Writes the compressed form of a tar stream; the same tar gives the same bytes. A compressed tar is accepted too."""
    head = source.read(2)
    source.seek(0)
    plain: Any = gzip.open(source) if head == b"\x1f\x8b" else source  # noqa: SIM115 - closed with `source` by the caller
    inside = hashlib.sha256()
    with target.open("wb") as file, gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed:
        while chunk := plain.read(1 << 20):
            inside.update(chunk)
            packed.write(chunk)
    return Layer(target, file_sha256(target), inside.hexdigest())


def layer_of_folder(folder: Path, target: Path, *, on_base: bool = True) -> Layer:
    """A layer with everything in a folder; all of it belongs to root.

    `on_base` is False for the first layer of an image. Raises UsageError when it would hide a system folder of the base.
    """
    members = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    for name in members:
        if on_base and (top := name.partition("/")[0]) in _MERGED:
            raise UsageError(f"{name} would hide the link /{top} of the base image", where=str(folder), hint=f"move it to usr/{top}")
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in sorted(members.items()):
            _add(archive, name, path)
    plain.seek(0)
    return compress(plain, target)


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    """Adds a file, folder or link without what differs from machine to machine: owner, time, group permissions."""
    entry = archive.gettarinfo(str(path), arcname=name)
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    if not entry.isfile():
        archive.addfile(entry)
        return
    with path.open("rb") as file:
        archive.addfile(entry, file)


def configuration(architecture: str, settings: Settings, layers: Sequence[Layer]) -> bytes:
    """The configuration of an image that is built from these layers."""
    inner = {
        "Env": [f"{key}={value}" for key, value in settings.environment.items()],
        "Entrypoint": list(settings.entrypoint) or None,
        "Cmd": list(settings.command) or None,
        "WorkingDir": settings.workdir,
    }
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]}
    document = {"architecture": architecture, "os": "linux", "created": "1970-01-01T00:00:00Z", "config": inner, "rootfs": rootfs}
    return json.dumps(document, sort_keys=True).encode()


def store(images: Sequence[Image], root: Path) -> None:
    """Lays images out as the filesystem storage of the Docker registry (distribution 2.x), ready to be served."""
    storage = Storage(root)
    for image in images:
        for layer in image.layers:
            storage.keep(layer.path, layer.digest)
            storage.layer(image.name, layer.digest)
        storage.layer(image.name, storage.keep(image.config))
        manifest = storage.keep(image.manifest)
        storage.revision(image.name, manifest)
        storage.tag(image.name, image.tag, manifest)


def _descriptor(kind: str, size: int, digest: str) -> dict[str, object]:
    return {"mediaType": kind, "size": size, "digest": f"sha256:{digest}"}
