"""Makes signed repositories out of packages, with the distributions' own tools: for apt, and for dnf."""

from __future__ import annotations

import gzip
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.mirror.files import link_or_copy
from provisioner.mirror.programs import attempt, run

#: Where packages lie below pool/<codename>: those that never change under the same file name, and those that may.
DISTRIBUTION, OWN = "distribution", "own"
_INDEX_SECONDS = 600.0
_AGENT_SECONDS = 5.0


@dataclass(frozen=True)
class Key:
    """What signs a repository: GnuPG's folder, and the fingerprint of the key in it."""

    home: Path
    fingerprint: str


def signing_key(home: Path, name: str) -> Key:
    """The key in this folder, made when there is none: what is signed again later is still trusted by the hosts that know it."""
    home.mkdir(mode=0o700, exist_ok=True)
    listing = _secret_keys(home)
    if not listing:
        gpg(home, "--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never", what="making the repository's key")
        listing = _secret_keys(home)
    return Key(home, listing[0])


def add(root: Path, codename: str, part: str, packages: Iterable[Path]) -> None:
    """Puts packages into the pool of a release; `part` is DISTRIBUTION or OWN."""
    pool = pool_of(root, codename, part)
    for package in packages:
        link_or_copy(package, pool / served_name(package.name))


def pool_of(root: Path, codename: str, part: str) -> Path:
    """The folder of such packages, made if need be."""
    pool = root / "pool" / codename / part
    pool.mkdir(parents=True, exist_ok=True)
    return pool


def served_name(name: str) -> str:
    """A package's file name without what web servers take for something else: apt writes the colon of an epoch as %3a."""
    return name.replace("%3a", ".")


def publish(root: Path, codename: str, architecture: str, key: Key, memory: Path, *, label: str, component: str = "main",
            only: Collection[str] | None = None) -> None:
    """Indexes and signs what the pool of a release has: dists/<codename> (one component) and key.asc.

    `memory` is a file in which the indexer keeps what it knows of the distribution's packages; `label` is what apt calls the repository.
    Of the files in the pool those in `only` are listed, by their path below `root`, else all.
    """
    dist = root / "dists" / codename
    binary = dist / component / f"binary-{architecture}"
    binary.mkdir(parents=True, exist_ok=True)
    text = index(root, codename, memory)
    if only is not None:
        text = "".join(f"{each}\n\n" for each in text.split("\n\n") if _file_name(each) in only)
    (binary / "Packages").write_text(text)
    (binary / "Packages.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    architectures = " ".join(sorted(path.name.removeprefix("binary-") for path in (dist / component).iterdir()))
    options = {"Origin": label, "Label": label, "Suite": codename, "Codename": codename, "Architectures": architectures,
               "Components": component}
    flags = [flag for name, value in options.items() for flag in ("-o", f"APT::FTPArchive::Release::{name}={value}")]
    (dist / "Release").unlink(missing_ok=True)
    (dist / "Release").write_text(run(["apt-ftparchive", *flags, "release", str(dist)], what="repository index"))
    clearsign(key, dist / "Release", dist / "InRelease")
    _gpg(key, "--armor", "--detach-sign", "--output", str(dist / "Release.gpg"), str(dist / "Release"))
    (root / "key.asc").write_text(public_key(key))


def index(root: Path, codename: str, memory: Path) -> str:
    """What apt reads about the packages of a release.

    SHA-256 alone, and no list of the files in each package, which would mean unpacking all of them. The tool's memory goes by
    file names, so only the distribution's packages may be remembered.
    """
    others = [flag for kind in ("MD5", "SHA1", "SHA512", "Contents") for flag in ("-o", f"APT::FTPArchive::{kind}=false")]
    text = ""
    for part, remembering in ((DISTRIBUTION, ["--db", str(memory)]), (OWN, [])):
        pool = pool_of(root, codename, part).relative_to(root)
        command = ["apt-ftparchive", *remembering, *others, "packages", str(pool)]
        text += run(command, what="package index", timeout=_INDEX_SECONDS, cwd=root)
    return text


def _file_name(paragraph: str) -> str:
    return next((line.removeprefix("Filename: ") for line in paragraph.splitlines() if line.startswith("Filename: ")), "")


def publish_yum(root: Path, key: Key, createrepo: Callable[[Sequence[str]], object]) -> None:
    """Indexes and signs the RPMs in a folder; `createrepo` runs `createrepo_c` with these arguments, wherever it is installed."""
    createrepo(["--quiet"])
    _gpg(key, "--armor", "--detach-sign", str(root / "repodata" / "repomd.xml"))


def clearsign(key: Key, source: Path, target: Path) -> None:
    """Writes a text with its signature around it."""
    _gpg(key, "--clearsign", "--output", str(target), str(source))


def public_key(key: Key) -> str:
    """What hosts have to trust."""
    return _gpg(key, "--armor", "--export", key.fingerprint)


def gpg(home: Path, *arguments: str, what: str) -> str:
    """What GnuPG says, with this folder. Raises ProvisionError."""
    # The path of its agent's socket may have 107 bytes, so it gets a short one, wherever the folder is.
    with tempfile.TemporaryDirectory(prefix="gpg") as short:
        link = Path(short) / "home"
        link.symlink_to(home.resolve())
        try:
            return run(["gpg", "--homedir", str(link), "--batch", "--yes", *arguments], what=what)
        finally:
            attempt(["gpgconf", "--homedir", str(link), "--kill", "gpg-agent"])
            # It removes its socket as its last act; until then the next call would be answered by one that ends.
            until = time.monotonic() + _AGENT_SECONDS
            while (link / "S.gpg-agent").exists() and time.monotonic() < until:
                time.sleep(0.02)


def _gpg(key: Key, *arguments: str) -> str:
    return gpg(key.home, "--local-user", key.fingerprint, *arguments, what="signing the repository")


def _secret_keys(home: Path) -> list[str]:
    listing = gpg(home, "--with-colons", "--list-secret-keys", what="the repository's key")
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]
