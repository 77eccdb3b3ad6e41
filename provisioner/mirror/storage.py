"""The filesystem storage of the Docker registry (distribution 2.x): blobs by their digest, and what names them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.mirror.files import file_sha256, link_or_copy


@dataclass(frozen=True)
class Storage:
    """One below `root`. Digests are SHA-256 in hex."""

    root: Path

    @property
    def blobs(self) -> Path:
        """Below it lies every blob, as AB/ABCD…/data."""
        return self._v2 / "blobs" / "sha256"

    @property
    def repositories(self) -> Path:
        """Below it lies what names blobs, in files called `link`."""
        return self._v2 / "repositories"

    @property
    def _v2(self) -> Path:
        return self.root / "docker" / "registry" / "v2"

    def blob(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.blobs / digest[:2] / digest / "data"

    def keep(self, content: Path | bytes, digest: str = "", *, anew: bool = False) -> str:
        """Puts a blob there, and gives its digest, which is computed from bytes; `anew` replaces what is there."""
        if isinstance(content, bytes):
            digest = hashlib.sha256(content).hexdigest()
        target = self.blob(digest)
        if anew or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            new = target.with_name("new")
            new.unlink(missing_ok=True)
            if isinstance(content, bytes):
                new.write_bytes(content)
            else:
                link_or_copy(content, new)
            new.replace(target)
        return digest

    def layer(self, repository: str, digest: str) -> None:
        """A repository gives this blob: a layer or a configuration."""
        self._link(self.repositories / repository / "_layers" / "sha256" / digest, digest)

    def revision(self, repository: str, digest: str) -> None:
        """A repository gives this manifest by its digest."""
        self._link(self.repositories / repository / "_manifests" / "revisions" / "sha256" / digest, digest)

    def tag(self, repository: str, tag: str, digest: str) -> None:
        """And by a tag."""
        place = self.repositories / repository / "_manifests" / "tags" / tag
        self._link(place / "index" / "sha256" / digest, digest)
        self._link(place / "current", digest)

    def revision_of(self, repository: str, reference: str) -> str:
        """The digest of the manifest that a tag or a digest (`sha256:…`) names in a repository; '' where it names none."""
        place, algorithm, digest = self.repositories / repository / "_manifests", *reference.partition(":")[::2]
        link = place / "revisions" / "sha256" / digest if algorithm == "sha256" else place / "tags" / reference / "current"
        return _text(link / "link").removeprefix("sha256:")

    def gives(self, repository: str, digest: str) -> bool:
        """Whether a repository gives a blob."""
        return bool(_text(self.repositories / repository / "_layers" / "sha256" / digest / "link")) or bool(
            self.revision_of(repository, f"sha256:{digest}"))

    def _link(self, folder: Path, digest: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text, link = f"sha256:{digest}", folder / "link"
        if not link.is_file() or link.read_text() != text:
            new = folder / "new"
            new.write_text(text)
            new.replace(link)

    def manifest(self, digest: str) -> dict[str, Any]:
        """A manifest, or a list of them, that is there; {} for what is none."""
        try:
            found = json.loads(self.blob(digest).read_bytes())
        except (OSError, ValueError):
            found = None
        return found if isinstance(found, dict) else {}

    def faults(self, repository: str, tag: str, digest: str, architectures: Collection[str], *, hashing: bool = False) -> Iterator[str]:
        """Sentences about what is missing or wrong of an image, whose list of manifests may name other architectures, too.

        Without `hashing` a file of the right size is taken as right, except for manifests.
        """
        links = [self.repositories / repository / "_manifests" / "revisions" / "sha256" / digest / "link"]
        links += [self.repositories / repository / "_manifests" / "tags" / tag / "current" / "link"] if tag else []
        yield from (f"{link} does not name sha256:{digest}" for link in links if _text(link) != f"sha256:{digest}")
        if fault := self._wrong(digest, -1, hashing=True):
            yield fault
            return
        manifest = self.manifest(digest)
        if "manifests" in manifest:
            for _, child in children(manifest, architectures):
                yield from self.faults(repository, "", child, architectures, hashing=hashing)
            return
        for blob, size in parts(manifest):
            link = self.repositories / repository / "_layers" / "sha256" / blob / "link"
            if _text(link) != f"sha256:{blob}":
                yield f"{link} does not name its blob"
            if fault := self._wrong(blob, size, hashing=hashing):
                yield fault

    def _wrong(self, digest: str, size: int, *, hashing: bool) -> str:
        path = self.blob(digest)
        if not path.is_file():
            return f"{path}: it is missing"
        if (size >= 0 and path.stat().st_size != size) or (hashing and file_sha256(path) != digest):
            return f"{path} is not what its name says: remove it and pull again"
        return ""

    def named_by(self, digest: str, architectures: Collection[str]) -> set[str]:
        """The digests of all that belongs to an image, itself among them."""
        manifest = self.manifest(digest)
        inner = [self.named_by(child, architectures) for _, child in children(manifest, architectures)]
        return {digest, *(blob for blob, _ in parts(manifest))}.union(*inner)

    def spare(self, kept: Collection[str]) -> list[Path]:
        """The blobs that are not kept, and what names them."""
        blobs = [path for path in self.blobs.glob("*/*/*") if path.is_file() and (path.name, path.parent.name in kept) != ("data", True)]
        links = [path for path in self.repositories.rglob("link") if _text(path).removeprefix("sha256:") not in kept]
        return sorted(blobs) + sorted(links)


def children(manifest: Mapping[str, Any], architectures: Collection[str]) -> list[tuple[str, str]]:
    """Architecture and digest of the manifests in a list that are for Linux on one of these."""
    found = []
    for each in manifest.get("manifests", []):
        platform = each.get("platform") or {}
        if platform.get("os") == "linux" and platform.get("architecture") in architectures:
            found.append((str(platform["architecture"]), str(each["digest"]).removeprefix("sha256:")))
    return list({architecture: (architecture, digest) for architecture, digest in found}.values())


def media_type(manifest: Mapping[str, Any]) -> str:
    """What a manifest is; those of the OCI need not say it."""
    if said := manifest.get("mediaType"):
        return str(said)
    if "manifests" in manifest:
        return "application/vnd.oci.image.index.v1+json"
    ours = str((manifest.get("config") or {}).get("mediaType", "")).startswith("application/vnd.oci.")
    return "application/vnd.oci.image.manifest.v1+json" if ours else "application/vnd.docker.distribution.manifest.v2+json"


def parts(manifest: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Digest and size in bytes of an image's configuration and layers."""
    found = [each for each in (manifest.get("config"), *manifest.get("layers", [])) if each]
    return [(str(each["digest"]).removeprefix("sha256:"), int(each["size"])) for each in found]


def _text(link: Path) -> str:
    try:
        return link.read_text().strip()
    except OSError:
        return ""
