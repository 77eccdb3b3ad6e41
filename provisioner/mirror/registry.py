"""Images by the digest of their manifest, as a registry has them; the program skopeo asks."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.artefacts import NeededImage
from provisioner.mirror.lock import IMAGE, Locked
from provisioner.mirror.programs import attempt, failure

_SECONDS = 60.0
PROGRAM = "skopeo"


class NoSkopeoError(UsageError):
    """The program is not installed: nothing can be said of images, and of all else it can."""


class NoImageError(ProvisionError):
    """A registry does not give an image, or not for a wanted architecture."""


def locked(image: NeededImage, architectures: Collection[str]) -> Locked:
    """An image by the SHA-256 of its manifest, or of its list of manifests, which holds for every architecture.

    Its size is that of all layers for these architectures. Raises NoImageError, NoSkopeoError.
    """
    text = raw(image, image.image)
    manifest = _parsed(text, image.image)
    size = 0
    if "manifests" in manifest:
        has = {each["platform"]["architecture"]: each["digest"] for each in manifest["manifests"] if _linux(each)}
        _complete(image, has, architectures)
        own = named(image.image)
        size = sum(_size(_parsed(raw(image, f"{own}@{has[arch]}"), image.image)) for arch in sorted({*architectures}))
    else:
        size = _size(manifest)
        _complete(image, [str(json.loads(raw(image, image.image, "--config")).get("architecture", ""))], architectures)
    return Locked(IMAGE, image.image, image.version, f"sha256:{hashlib.sha256(text).hexdigest()}", size, image.component)


def _complete(image: NeededImage, has: Collection[str], architectures: Collection[str]) -> None:
    """Raises NoImageError where a wanted architecture is missing."""
    if lacks := sorted({*architectures}.difference(has)):
        raise NoImageError(f"the image {image.image} exists for {', '.join(sorted(has)) or 'no Linux'}, not for {', '.join(lacks)}",
                           hint="choose another with cluster_versions, or push one for that architecture to a registry of yours")


def named(image: str) -> str:
    """An image without tag and digest."""
    plain = image.partition("@")[0]
    head, colon, tag = plain.rpartition(":")
    return head if colon and "/" not in tag else plain


def _linux(entry: Mapping[str, Any]) -> bool:
    """Attestations stand in such lists, too, with an unknown platform."""
    return isinstance(entry.get("platform"), Mapping) and entry["platform"].get("os") == "linux"


def _size(manifest: Mapping[str, Any]) -> int:
    return sum(int(each.get("size", 0)) for each in (manifest.get("config") or {}, *manifest.get("layers", [])))


def _parsed(raw: bytes, image: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict) or found.get("schemaVersion") != 2:
        raise NoImageError(f"the manifest of {image} is of a form that engines of today refuse (schema 1)",
                           hint="push the image again with a current engine")
    return found


@contextmanager
def access(image: NeededImage, prefix: str = "") -> Iterator[list[str]]:
    """The options by which skopeo gets at an image's registry, while it lasts; `prefix` is what `skopeo copy` has before them: `src-`."""
    with tempfile.TemporaryDirectory(prefix="skopeo-") as folder:
        flags = [f"--{prefix}tls-verify=false"] if image.plain else []
        if image.ca:
            (Path(folder) / "ca.crt").write_text(image.ca)
            flags += [f"--{prefix}cert-dir", folder]
        yield flags


def raw(image: NeededImage, reference: str, *what: str) -> bytes:
    """The exact bytes of a manifest; with `--config` those of the image's configuration. Raises NoImageError, NoSkopeoError."""
    with access(image) as flags:
        return skopeo(f"the image {reference}", ["inspect", "--raw", *what, *flags, f"docker://{reference}"], seconds=_SECONDS)


def skopeo(what: str, arguments: Sequence[str], *, seconds: float) -> bytes:
    """What skopeo says. Raises NoImageError, NoSkopeoError."""
    try:
        done = attempt([PROGRAM, *arguments], timeout=seconds)
    except UsageError as error:
        raise NoSkopeoError(f"{what}: images are read by the program skopeo, which is not installed here",
                            hint="install it: apt-get install skopeo, or dnf install skopeo") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise NoImageError(failure(f"{what}: skopeo", done.returncode, _plain(said)).message,
                           hint="look at the registry, at this machine's way to it, and whether it wants a login (skopeo login)")
    return done.stdout


def _plain(said: str) -> str:
    """What skopeo's log says, without time and level."""
    return said.partition('msg="')[2].rstrip('"').replace('\\"', '"') or said
