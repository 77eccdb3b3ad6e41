"""Keys of package repositories: taken over only with the expected fingerprint, and nothing else that the file holds."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.mirror.fetch import small
from provisioner.mirror.programs import attempt, run

HINT = "compare it with what the vendor says of its key: the catalogue is wrong, or somebody stands between"


class WrongKeyError(ProvisionError):
    """What is served is another key, or none."""


@dataclass(frozen=True)
class Fetched:
    """A key: the file's bytes as they are served, and the one key of it that is trusted, for apt's `signed-by`."""

    url: str
    fingerprint: str
    content: bytes
    trusted: bytes

    @property
    def digest(self) -> str:
        """`sha256:…` of the file."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


def fetch(url: str, fingerprint: str) -> Fetched:
    """The key at an address. Raises WrongKeyError with both fingerprints, NoAnswerError."""
    wanted = fingerprint.replace(" ", "").upper()
    content = small(url)
    return Fetched(url, wanted, content, trusted(content, wanted, url=url))


def trusted(content: bytes, fingerprint: str, *options: str, url: str = "the file", ended: bool = False) -> bytes:
    """The one key of a file that has this fingerprint; `options` are GnuPG's for writing it.

    Raises WrongKeyError with both fingerprints, or for a key that has ended, unless that is all right (`ended`); `url` says there where
    the file is from.
    """
    with holding(content) as (gpg, listing):
        found = fingerprints(listing)
        if fingerprint not in found:
            served = f"the key {', '.join(found)}" if found else "no key"
            raise WrongKeyError(f"{url} has {served}, expected is {fingerprint or 'none'}", hint=HINT)
        if not ended and fingerprint not in fingerprints(listing, valid=True):
            raise WrongKeyError(f"{url} has the key {fingerprint}, which has expired or was revoked",
                                hint="nothing that it signs is trusted: the vendor has to publish it with a later end, or another key")
        return attempt([*gpg, *options, "--export", fingerprint]).stdout


@contextmanager
def holding(content: bytes) -> Iterator[tuple[list[str], str]]:
    """GnuPG's command that knows the keys of a file and no others, and what it lists of them with colons."""
    # GnuPG's own socket must fit into 107 bytes of path, so not below a folder of ours.
    with tempfile.TemporaryDirectory(prefix="key-") as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--no-autostart"]
        attempt([*gpg, "--import"], stdin=content)
        yield gpg, run([*gpg, "--with-colons", "--list-keys"], what="keys of a repository")


@contextmanager
def holding_only(key: Path) -> Iterator[list[str]]:
    """GnuPG's command that knows the one key of a mirror. Raises ProvisionError for a file with none or several, OSError."""
    with holding(key.read_bytes()) as (gpg, listing):
        if len(fingerprints(listing)) != 1:
            raise ProvisionError(f"{key} holds no key, or several")
        yield gpg


def fingerprints(listing: str, *, valid: bool = False) -> list[str]:
    """Those of the primary keys in what GnuPG lists with colons; with `valid` only of those that have not ended."""
    found, primary = [], False
    for line in listing.splitlines():
        kind, *fields = line.split(":")
        if kind in ("pub", "sub"):
            primary = kind == "pub" and not (valid and fields[0] in ("e", "r"))
        elif kind == "fpr" and primary:
            found.append(fields[8])
    return found


def keep(key: Fetched, folder: Path, name: str) -> Path:
    """Writes what is trusted for apt."""
    path = folder / f"{name}.gpg"
    path.write_bytes(key.trusted)
    return path
