"""The host keys that a cluster trusts, in OpenSSH's own format, so that ssh, Ansible and people read the same file."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import functools
import hashlib
import hmac
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.cluster.model import Cluster
from provisioner.errors import InventoryError
from provisioner.hosts.login import known_hosts_file
from provisioner.state.files import private_dir, write_private


@dataclass(frozen=True)
class Entry:
    """One line: the marker (`@cert-authority`, `@revoked` or none), whom it speaks of, and the key."""

    marker: str
    names: str
    kind: str
    key: str

    def speaks_of(self, name: str) -> bool:
        """Whether the line is about a host; names are patterns, hashes or `[address]:port`."""
        return listed(name, self.names.split(","))


@dataclass(frozen=True)
class KnownHosts:
    """The file's content when it was read."""

    path: Path
    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, cluster: Cluster) -> KnownHosts:
        """Read a cluster's file; one that does not exist yet is empty. Raises InventoryError when it can't be read."""
        path = known_hosts_file(cluster)
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = ""
        except OSError as error:
            raise InventoryError(f"the known host keys can't be read: {error.strerror}", where=str(path)) from None
        return cls(path, tuple(_entries(text)))

    def knows(self, name: str) -> bool:
        """Whether a host can be checked: its key, or an authority that signs host keys, is on file."""
        return any(e.marker != "@revoked" for e in self._about(name))

    def keys(self, name: str) -> tuple[Entry, ...]:
        """The recorded keys of a host itself; none where any key is revoked for it."""
        about = self._about(name)
        return () if any(e.marker == "@revoked" for e in about) else tuple(e for e in about if not e.marker)

    def fingerprints(self, name: str) -> tuple[str, ...]:
        """The recorded keys of a host, as `SHA256:…` with their kind."""
        return tuple(f"{fingerprint(e.key)} ({e.kind})" for e in self._about(name) if not e.marker)

    def _about(self, name: str) -> list[Entry]:
        return [*self._by_name.get(name.lower(), ()), *(e for e in self._by_name[""] if e.speaks_of(name))]

    @functools.cached_property
    def _by_name(self) -> Mapping[str, Sequence[Entry]]:
        """The lines by the names in them, under '' those with patterns or hashes: with a thousand hosts nobody compares a million times."""
        found: dict[str, list[Entry]] = {"": []}
        for entry in self.entries:
            plain = not re.search(r"[*?!|]", entry.names)
            for name in set(entry.names.lower().split(",")) if plain else ("",):
                found.setdefault(name, []).append(entry)
        return found


def fingerprint(key: str) -> str:
    """What `ssh-keygen -l` prints of a key in base64."""
    try:
        raw = base64.b64decode(key, validate=True)
    except binascii.Error:
        return "an unreadable key"
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def record(cluster: Cluster, lines: list[str]) -> None:
    """Add lines to the cluster's file."""
    path = known_hosts_file(cluster)
    private_dir(path.parent)
    old = path.read_bytes() if path.exists() else b""
    if old and not old.endswith(b"\n"):
        old += b"\n"
    write_private(path, old + "".join(line + "\n" for line in lines).encode())


def forget(cluster: Cluster, names: Collection[str]) -> None:
    """Take out the lines with keys of a host, given by the names it is looked up by; authorities and revoked keys stay."""
    path = known_hosts_file(cluster)
    if not path.exists():
        return
    kept = [line for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
            if not any(not e.marker and e.speaks_of(name) for e in _entries(line) for name in names)]
    write_private(path, "".join(kept).encode(errors="surrogateescape"))


def _entries(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) >= 3:
            yield Entry(marker, *words[:3])


def listed(name: str, patterns: Iterable[str]) -> bool:
    """Whether a list of OpenSSH's patterns means a name: `!` before one excludes."""
    takes = {pattern.startswith("!") for pattern in patterns if _matches(pattern.removeprefix("!"), name)}
    return takes == {False}


def _matches(pattern: str, name: str) -> bool:
    if pattern.startswith("|1|"):
        return _hashed(pattern, name)
    # In OpenSSH's patterns only * and ? are special; the brackets of [address]:port are themselves.
    return fnmatch.fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def _hashed(pattern: str, name: str) -> bool:
    """`|1|salt|hash`: HMAC-SHA1 of the name, as HashKnownHosts writes it."""
    try:
        salt, expected = (base64.b64decode(part) for part in pattern[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.lower().encode(), hashlib.sha1).digest(), expected)
