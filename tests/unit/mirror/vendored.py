"""A vendor on loopback, and a mirror that is pulled from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.cluster import catalogue
from provisioner.cluster.lock import ARCHIVE, KEY, PACKAGE, Lock, Locked, System
from provisioner.mirror.folder import Folder
from provisioner.mirror.pull import Pulled, pull
from tests.unit.mirror.served import Served, deb

DEBIAN = System("debian", "12", "bookworm", "amd64")
ARM = System("debian", "12", "bookworm", "arm64")


@dataclass
class Site:
    """A vendor, a mirror, and what is said."""

    served: Served
    folder: Folder
    scratch: Path
    said: list[str]

    def artefact(self, kind: str, name: str, content: bytes, component: str = "", *, package: str = "",
                 system: str = "") -> Locked:
        """A file of the vendor's, as it is locked."""
        url = self.served.file(f"{kind}/{name}", content)
        digest = hashlib.sha256(content).hexdigest()
        return Locked(kind, package or name, "1.0", f"sha256:{digest}", len(content), component, system, url)

    def package(self, name: str, version: str = "1.0", component: str = "", system: System = DEBIAN, word: str = "") -> Locked:
        """The same for a package, which is for all architectures where the system is Debian's usual one."""
        file = deb(self.scratch, name, version, architecture="all" if system == DEBIAN else system.architecture, word=word)
        made = self.artefact(PACKAGE, file.name.replace("%3a", "."), file.read_bytes(), component, package=name, system=system.name)
        return replace(made, version=version)

    def lock(self, *more: Locked) -> Lock:
        """One of each kind, and more."""
        return Lock((DEBIAN, ARM), (
            self.package("docker-ce", "5:29.1-1", "docker"), self.package("libshared"), self.package("libarm", system=ARM),
            self.artefact(ARCHIVE, "consul_2.0.4_linux_amd64.zip", b"zip", "consul"),
            self.artefact(KEY, "docker", b"key"), *more))

    def pull(self, lock: Lock) -> Pulled:
        """Into the mirror, by the built-in catalogue."""
        return pull(self.folder, lock, catalogue.load(), {}, self.said.append)

    def files(self) -> dict[str, bytes]:
        """All that the mirror serves."""
        return {str(path.relative_to(self.folder.www)): path.read_bytes() for path in self.folder.www.rglob("*") if path.is_file()}
