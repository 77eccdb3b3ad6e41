"""Saved images for a mirror's registry: what `docker save` writes, and OCI archives, whose bytes stay as they are."""

from __future__ import annotations

import gzip
import json
import shutil
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from provisioner.errors import UsageError
from provisioner.mirror import brought
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.brought import without_registry
from provisioner.mirror.files import file_sha256, read_to_the_end
from provisioner.mirror.images import store
from provisioner.mirror.lock import BROUGHT, IMAGE, Locked
from provisioner.mirror.pull_images import place
from provisioner.mirror.storage import Storage, children, parts

HINT = "save it again: docker save -o FILE NAME:TAG, or skopeo copy docker://NAME:TAG oci-archive:FILE:NAME:TAG"
_SAVED, _OCI = "manifest.json", "index.json"
#: Where an OCI archive says by what name it was saved.
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@dataclass(frozen=True)
class AddedImage:
    """An image as a lock has it; `keep` puts it into a registry's storage."""

    line: Locked
    keep: Callable[[Storage], None]


def holds_images(file: Path) -> bool:
    """Whether a file is such an archive. Raises UsageError for a tar file that is cut."""
    with _opened(file) as archive:
        if archive is not None and not read_to_the_end(archive):
            raise _damaged(file, "it has no end")
        return archive is not None and not {_SAVED, _OCI}.isdisjoint(archive.getnames())


def images(file: Path, wanted: Sequence[NeededImage], architectures: Collection[str], scratch: Path) -> list[AddedImage]:
    """The images of a file that an inventory wants; what is unpacked lies in `scratch` until it is kept.

    Raises UsageError for a damaged file, one without a wanted image, and for another architecture.
    """
    known = {_plain(each.image): each for each in wanted}
    with _opened(file) as archive:
        if archive is None:
            raise UsageError("this is no tar file", where=str(file), hint=HINT)
        saved = _SAVED in archive.getnames()
        names = [f"{each.repository}:{each.tag}" for each in brought.saved(file)] if saved else [*_descriptors(archive, file)]
        fitting = [name for name in names if _plain(name) in known]
        if not fitting:
            raise UsageError(f"it holds {', '.join(names) or 'no image with a name'}, the inventory wants {', '.join(sorted(known))}",
                             where=str(file), hint="tag the image so and save it again, or choose its version with cluster_versions")
        make = _of_docker if saved else _of_oci
        return [make(archive, file, name, known[_plain(name)], architectures, scratch) for name in fitting]


def _of_docker(archive: tarfile.TarFile, file: Path, name: str, wanted: NeededImage, architectures: Collection[str],
               scratch: Path) -> AddedImage:
    own = next(each for each in brought.saved(file) if f"{each.repository}:{each.tag}" == name)
    image = brought.unpack(own, scratch)
    _refuse_foreign(file, name, {str(json.loads(image.config).get("architecture", ""))}, architectures)
    line = _line(wanted, image.digest, len(image.config) + sum(layer.path.stat().st_size for layer in image.layers))
    repository, tag, _ = place(line)
    return AddedImage(line, lambda storage: store([replace(image, name=repository, tag=tag)], storage.root))


def _of_oci(archive: tarfile.TarFile, file: Path, name: str, wanted: NeededImage, architectures: Collection[str],
            scratch: Path) -> AddedImage:
    top = _descriptors(archive, file)[name]
    manifest = json.loads(_blob(archive, file, top, scratch).read_bytes())
    inner = [digest for _, digest in children(manifest, architectures)]
    has = {architecture for architecture, _ in children(manifest, architectures)}
    whole = {each: json.loads(_blob(archive, file, each, scratch).read_bytes()) for each in inner or [top]}
    for content in whole.values():
        for digest, _ in parts(content):
            _blob(archive, file, digest, scratch)
        if not inner:
            config = str(content["config"]["digest"]).removeprefix("sha256:")
            has = {str(json.loads((scratch / config).read_bytes()).get("architecture", ""))}
    _refuse_foreign(file, name, has, architectures)
    line = _line(wanted, f"sha256:{top}", sum(size for content in whole.values() for _, size in parts(content)))
    repository, tag, _ = place(line)

    def keep(storage: Storage) -> None:
        for digest, content in whole.items():
            for each, _ in parts(content):
                storage.keep(scratch / each, each, anew=True)
                storage.layer(repository, each)
            storage.keep(scratch / digest, digest, anew=True)
            storage.revision(repository, digest)
        storage.keep(scratch / top, top, anew=True)
        storage.revision(repository, top)
        if tag:
            storage.tag(repository, tag, top)

    return AddedImage(line, keep)


def _descriptors(archive: tarfile.TarFile, file: Path) -> dict[str, str]:
    """The digest of each manifest in an OCI archive, by the name that it was saved under."""
    listed = json.loads(_member(archive, file, _OCI))["manifests"]
    found = {}
    for each in listed:
        notes: Mapping[str, Any] = each.get("annotations") or {}
        name = next((str(notes[key]) for key in _NAMES if ":" in str(notes.get(key, ""))), "")
        if name:
            found[name] = str(each["digest"]).removeprefix("sha256:")
    return found


def _blob(archive: tarfile.TarFile, file: Path, digest: str, scratch: Path) -> Path:
    """A blob, unpacked and compared with its name."""
    target = scratch / digest
    if not target.exists():
        source = archive.extractfile(f"blobs/sha256/{digest}")
        if source is None:
            raise KeyError(digest)
        with source, target.open("wb") as written:
            shutil.copyfileobj(source, written)
        if file_sha256(target) != digest:
            raise _damaged(file, f"blobs/sha256/{digest} is not what its name says")
    return target


def _member(archive: tarfile.TarFile, file: Path, name: str) -> bytes:
    found = archive.extractfile(name)
    if found is None:
        raise _damaged(file, f"it has no {name}")
    with found:
        return found.read()


def _refuse_foreign(file: Path, name: str, has: Collection[str], architectures: Collection[str]) -> None:
    if lacks := sorted({*architectures}.difference(has)):
        raise UsageError(f"the image {name} in it is for {', '.join(sorted(has)) or 'no Linux'}, not for {', '.join(lacks)}",
                         where=str(file),
                         hint="save the one for the hosts: skopeo copy --all, or pull and save it with --platform linux/ARCHITECTURE")


def _line(wanted: NeededImage, digest: str, size: int) -> Locked:
    return Locked(IMAGE, wanted.image, wanted.version, digest, size, wanted.component, origin=BROUGHT)


def _plain(reference: str) -> str:
    """A name as Docker shortens it: without registry, and without the folder of Docker Hub's own images."""
    return without_registry(reference).removeprefix("library/")


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile | None]:
    """A tar file, None for what is none. While it is open what shows that it is damaged becomes a UsageError."""
    try:
        archive = tarfile.open(file)  # noqa: SIM115 - closed below, and what is no tar file is an answer
    except (tarfile.TarError, EOFError, OSError):
        yield None
        return
    try:
        with archive:
            yield archive
    except (tarfile.TarError, EOFError, KeyError, ValueError, TypeError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(file, str(error)) from error


def _damaged(file: Path, why: str) -> UsageError:
    return UsageError(f"the archive is cut or damaged: {why}", where=str(file), hint=HINT)
