"""Images laid out as the files that a registry's addresses name: manifests by digest, tags as links to them, their list, and blobs."""

from __future__ import annotations

import json
from pathlib import Path

from provisioner.mirror.files import link_or_copy


def lay_out(storage: Path, digest: str, image: str, host: Path) -> None:
    """One image out of the filesystem storage of a registry (`docker/registry/v2` in it), by its digest, under the name `image`.

    A name without a part before a slash is one of Docker Hub's own: `busybox:1.35` is `library/busybox`.
    """
    name, _, tag = image.rpartition(":")
    name = name if "/" in name else f"library/{name}"
    place = host / "v2" / name
    for folder in ("manifests", "blobs", "tags"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    manifest = place / "manifests" / digest
    link_or_copy(_blob(storage, digest), manifest)
    (place / "manifests" / tag).symlink_to(digest)
    (place / "tags" / "list").write_text(json.dumps({"name": name, "tags": [tag]}))
    described = json.loads(manifest.read_bytes())
    for blob in {each["digest"] for each in (described["config"], *described["layers"])}:
        link_or_copy(_blob(storage, blob), place / "blobs" / blob)


def _blob(storage: Path, digest: str) -> Path:
    sha256 = digest.removeprefix("sha256:")
    return storage / "docker" / "registry" / "v2" / "blobs" / "sha256" / sha256[:2] / sha256 / "data"
