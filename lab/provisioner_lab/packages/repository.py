"""Makes signed repositories out of packages: for apt, and for dnf."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

from provisioner_lab.cache import cache_dir, link_or_copy
from provisioner_lab.commands import run
from provisioner_lab.packages.rpms import run_in_image

_KEY_NAME = "provisioner lab mirror"


def build(root: Path, codename: str, architecture: str, distribution: Iterable[Path], own: Iterable[Path]) -> str:
    """Fills `root` with pool/, dists/<codename>/ (component main) and key.asc; the fingerprint of the key that signed it.

    `distribution` are packages that never change under the same file name; `own` may.
    """
    for part, packages in (("distribution", distribution), ("own", own)):
        (root / "pool" / part).mkdir(parents=True)
        for package in packages:
            # apt writes the colon of an epoch as %3a into file names, which web servers read as a colon
            link_or_copy(package, root / "pool" / part / package.name.replace("%3a", "."))
    binary = root / "dists" / codename / "main" / f"binary-{architecture}"
    binary.mkdir(parents=True)
    text = index(root)
    (binary / "Packages").write_text(text)
    (binary / "Packages.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    return _sign(root, codename, architecture)


def index(root: Path) -> str:
    """What apt reads about the packages.

    SHA-256 alone, and no list of the files in each package, which would mean unpacking all of them. The tool's memory goes by
    file names, so only the distribution's packages may be remembered.
    """
    others = [flag for kind in ("MD5", "SHA1", "SHA512", "Contents") for flag in ("-o", f"APT::FTPArchive::{kind}=false")]
    remembering = ["--db", str(cache_dir() / "distribution.db")]
    known = run(["apt-ftparchive", *remembering, *others, "packages", "pool/distribution"], what="package index", timeout=600, cwd=root)
    return known + run(["apt-ftparchive", *others, "packages", "pool/own"], what="package index", timeout=600, cwd=root)


def build_yum(root: Path, packages: Iterable[Path], image: str) -> None:
    """Fills `root` with signed RPMs, their index and its signature. The program that indexes them is in the node image."""
    root.mkdir(parents=True)
    for package in packages:
        link_or_copy(package, root / package.name)
    run_in_image(image, [f"{root}:/yum"], ["createrepo_c", "--quiet", "/yum"], what="index of the RPMs", timeout=600)
    home, fingerprint = signing_key()
    gpg = ["gpg", "--homedir", str(home), "--batch", "--yes", "--local-user", fingerprint]
    run([*gpg, "--armor", "--detach-sign", str(root / "repodata" / "repomd.xml")], what="signing the index of the RPMs")
    run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], what="ending the key agent")


def _sign(root: Path, codename: str, architecture: str) -> str:
    dist = root / "dists" / codename
    options = {"Origin": "provisioner lab", "Label": "provisioner lab", "Suite": codename, "Codename": codename,
               "Architectures": architecture, "Components": "main"}
    flags = [flag for key, value in options.items() for flag in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    (dist / "Release").write_text(run(["apt-ftparchive", *flags, "release", str(dist)], what="repository index"))
    home, fingerprint = signing_key()
    gpg = ["gpg", "--homedir", str(home), "--batch", "--yes", "--local-user", fingerprint]
    run([*gpg, "--clearsign", "--output", str(dist / "InRelease"), str(dist / "Release")], what="signing the repository")
    detached = ["--armor", "--detach-sign", "--output", str(dist / "Release.gpg"), str(dist / "Release")]
    run([*gpg, *detached], what="signing the repository")
    (root / "key.asc").write_text(run([*gpg, "--armor", "--export", fingerprint], what="the repository's public key"))
    run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], what="ending the key agent")
    return fingerprint


def signing_key() -> tuple[Path, str]:
    """The key of this machine's mirrors: a mirror that is made again is still trusted by the hosts that know it."""
    home = cache_dir() / "signing-key"
    gpg = ["gpg", "--homedir", str(home), "--batch"]
    if not home.is_dir():
        home.mkdir(mode=0o700)
    listing = _secret_keys(gpg)
    if not listing:
        arguments = ["--passphrase", "", "--quick-generate-key", _KEY_NAME, "ed25519", "sign", "never"]
        run([*gpg, *arguments], what="making the repository's key")
        listing = _secret_keys(gpg)
    return home, listing[0]


def _secret_keys(gpg: list[str]) -> list[str]:
    listing = run([*gpg, "--with-colons", "--list-secret-keys"], what="the repository's key")
    return [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]
