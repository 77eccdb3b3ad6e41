"""Following a lock: what roles are told of it, and where the inventory asks for something else than it names.

A host gets the packages that its roles keep from other upgrades in exactly the locked versions, archives by the locked checksum, and images
by digest. What these depend on comes from the sources of the hosts, so that they get the distribution's security updates.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from provisioner.cluster.facts import ARCHITECTURES
from provisioner.cluster.lock import ARCHIVE, IMAGE, PACKAGE, Lock, Locked
from provisioner.cluster.model import Host
from provisioner.cluster.version_range import same_version
from provisioner.errors import InventoryError

#: How the names of systems begin on which roles take packages by the lock: those with apt.
LOCKABLE = ("debian", "ubuntu")
_SHA256 = re.compile("[0-9a-fA-F]{64}")


@dataclass
class Following:
    """A lock (None: nothing is followed), and the systems of the hosts as far as they are known, by host and as a lock names them.

    `registry` is the site's, under which the images of a lock are found as well. `problems` are the sentences about what was asked for
    and is not in it, in the order in which that was found.
    """

    lock: Lock | None = None
    systems: Mapping[str, str] = field(default_factory=dict)
    registry: str = ""
    problems: dict[str, None] = field(default_factory=dict)

    def packages(self, host: Host, names: Iterable[str], wanted: str = "") -> dict[str, str]:
        """The locked versions of packages on a host, by name. The first of them is to be `wanted`, as far as that goes ('' for any).

        Empty where its system is not known, or one without apt, on which packages do not follow the lock.
        """
        if not (system := self._system(host)):
            return {}
        found = {}
        for place, name in enumerate(names):
            locked = self._packages.get((name, system))
            if locked is None:
                self._miss(f"no package {name} for {system}")
            elif not place and wanted and not same_version(locked.version, wanted):
                self._miss(f"{name} {locked.version} for {system}, and the inventory asks for {wanted}")
            else:
                found[name] = locked.version
        return found

    def image(self, name: str) -> str:
        """The image's name with its digest; a catalogue may have written one already."""
        if not self.lock or "@" in name:
            return name
        own = name.removeprefix(f"{self.registry}/") if self.registry else name
        if locked := self._images.get(name) or self._images.get(own):
            return f"{name}@{locked.digest}"
        self._miss(f"no image {name}")
        return name

    def sha256(self, host: Host, url: str, version: str, said: str) -> str:
        """The checksum of the archive for a host, of which the catalogue has `said` another or the same. The address may name {arch}."""
        if not self.lock or not url:
            return said
        name = PurePosixPath(urlsplit(url).path).name
        _, _, own = self.system(host.name).partition("/")
        names = [name.replace("{arch}", architecture) for architecture in ([own] if own else ARCHITECTURES.values())]
        found = [each for each in (self._archives.get((one, version)) for one in dict.fromkeys(names)) if each]
        if not found:
            self._miss(f"no archive {names[0] if own else name} {version}")
            return said
        if len(found) > 1:  # each for another processor, and the host's is not known yet
            return said
        locked = found[0]
        digest = locked.digest.removeprefix("sha256:")
        if _SHA256.fullmatch(said) and said.lower() != digest:
            self._miss(f"{name} with sha256 {digest}, and the catalogue has it with {said}")
            return said
        return digest

    def refuse(self, path: Path) -> None:
        """Raises InventoryError, with all problems that rendering has found, for the lock in this file."""
        if self.problems:
            raise InventoryError("the lock does not fit the inventory:\n" + "\n".join(self.problems), where=str(path),
                                 hint="'provision lock' completes it, and moves what no longer fits; without the file versions are "
                                      "those of the catalogue again")

    def _miss(self, what: str) -> None:
        self.problems[f"it has {what}"] = None  # said of each host alike

    def system(self, host: str) -> str:
        """That of a host, '' where it is not known. Where only one is locked a host that told nothing so far counts as one of it."""
        return self.systems.get(host) or (self._known[0] if len(self._known) == 1 else "")

    @property
    def without_packages(self) -> tuple[str, ...]:
        """The systems, of hosts or in the lock, on which packages do not follow it."""
        systems = {*self.systems.values(), *self._known} if self.lock else set()
        return tuple(sorted(system for system in systems if not system.startswith(LOCKABLE)))

    def _system(self, host: Host) -> str:
        system = self.system(host.name)
        if self.lock and system not in self._known and system.startswith(LOCKABLE):
            self._miss(f"nothing for {system}, the system of {host.name}")
        return system if system in self._known and system.startswith(LOCKABLE) else ""

    @functools.cached_property
    def _known(self) -> tuple[str, ...]:
        return tuple(system.name for system in self.lock.systems) if self.lock else ()

    @functools.cached_property
    def _packages(self) -> Mapping[tuple[str, str], Locked]:
        return {(a.name, a.system): a for a in self.lock.artefacts if a.kind == PACKAGE} if self.lock else {}

    @functools.cached_property
    def _archives(self) -> Mapping[tuple[str, str], Locked]:
        return {(a.name, a.version): a for a in self.lock.artefacts if a.kind == ARCHIVE} if self.lock else {}

    @functools.cached_property
    def _images(self) -> Mapping[str, Locked]:
        """By name, and by what is left of it without the registry that it was locked from."""
        images = [a for a in self.lock.artefacts if a.kind == IMAGE] if self.lock else []
        return {**{_plain(a.name): a for a in images}, **{a.name: a for a in images}}


def _plain(name: str) -> str:
    """Without a registry, by the rule of `docker pull`: its first part has a dot or a port."""
    first, slash, rest = name.partition("/")
    return rest if slash and (first == "localhost" or "." in first or ":" in first) else name
