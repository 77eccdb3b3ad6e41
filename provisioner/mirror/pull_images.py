"""Images into the registry of a site's mirror, byte by byte as their registry has them. What talks to registries is skopeo."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.archives import HINT, WrongFileError
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.brought import without_registry
from provisioner.mirror.files import file_sha256
from provisioner.mirror.folder import Folder
from provisioner.mirror.lock import IMAGE, VENDOR, Lock, Locked
from provisioner.mirror.programs import Say, working
from provisioner.mirror.registry import NoSkopeoError, access, named, raw, skopeo
from provisioner.mirror.storage import Storage, children, parts

#: An image of some GB on a slow line takes long; where skopeo is broken off that image begins anew.
_SECONDS = 6 * 3600.0
_RETRIES = "3"


def place(artefact: Locked) -> tuple[str, str, str]:
    """How a mirror's registry names an image: repository, tag ('' where it has none), and digest in hex."""
    own = named(artefact.name)
    tag = artefact.name.partition("@")[0].removeprefix(own).removeprefix(":")
    return without_registry(f"{own}:x").removesuffix(":x"), tag, artefact.digest.removeprefix("sha256:")


def architectures(lock: Lock) -> list[str]:
    """Those of a lock's systems."""
    return sorted({each.architecture for each in lock.systems})


def missing(folder: Folder, lock: Lock) -> list[Locked]:
    """The images of a lock that the registry does not have whole."""
    storage, wanted = Storage(folder.registry), architectures(lock)
    return [each for each in lock.artefacts if each.kind == IMAGE and next(storage.faults(*place(each), wanted), "")]


def fetch(folder: Folder, images: Sequence[Locked], wanted: Collection[str], ways: Mapping[str, NeededImage],
          say: Say) -> list[ProvisionError]:
    """Puts images into the registry; gives why some could not be. Of a list of manifests the `wanted` architectures come, and the list.

    `ways` say by an image's name how its registry is reached. Without skopeo none comes. Raises UsageError where nothing can be written.
    """
    faults: list[ProvisionError] = []
    for each in images:
        if each.origin != VENDOR:
            faults.append(ProvisionError(f"image {each.name}: no registry serves it, and the mirror does not have it",
                                         where=str(folder.registry), hint="pull into the folder where it was added"))
            continue
        try:
            with working(say, f"image {each.name}"):
                _one(folder, each, wanted, ways.get(each.name) or NeededImage(each.component, each.version, each.name))
        except ProvisionError as error:
            if isinstance(error, UsageError) and not isinstance(error, NoSkopeoError):
                raise
            faults.append(error)
    return faults


def _one(folder: Folder, artefact: Locked, wanted: Collection[str], way: NeededImage) -> None:
    storage, scratch = Storage(folder.registry), folder.arriving / "image"
    repository, tag, digest = place(artefact)
    text = raw(way, f"{named(artefact.name)}@sha256:{digest}")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    (scratch / "list").write_bytes(text)
    _right(scratch / "list", digest, artefact.name)
    storage.keep(text, anew=True)
    listed = children(storage.manifest(digest), wanted)
    for number, each in enumerate([child for _, child in listed] or [digest]):
        _copy(scratch / str(number), repository, each, artefact.name, way, storage)
    storage.revision(repository, digest)
    if tag:
        storage.tag(repository, tag, digest)  # last: it says that all of it is there
    shutil.rmtree(scratch)


def _copy(scratch: Path, repository: str, digest: str, name: str, way: NeededImage, storage: Storage) -> None:
    """One manifest with its configuration and layers, through a folder of skopeo's."""
    reference = f"{named(name)}@sha256:{digest}"
    with access(way, "src-") as flags:
        skopeo(f"the image {reference}", ["copy", "--quiet", "--preserve-digests", "--retry-times", _RETRIES, *flags,
                                          f"docker://{reference}", f"dir:{scratch}"], seconds=_SECONDS)
    _right(scratch / "manifest.json", digest, name)
    storage.keep((scratch / "manifest.json").read_bytes(), anew=True)
    for blob, _ in parts(storage.manifest(digest)):
        _right(scratch / blob, blob, name)
        storage.keep(scratch / blob, blob, anew=True)  # one that is not whole may be why the image is fetched
        storage.layer(repository, blob)
    storage.revision(repository, digest)


def _right(file: Path, digest: str, name: str) -> None:
    """Raises WrongFileError where a file has another digest."""
    found = file_sha256(file) if file.is_file() else "nothing"
    if found != digest:
        raise WrongFileError(f"of the image {name} came sha256:{found}, locked is sha256:{digest}", hint=HINT)
