"""A vendor on loopback, and a mirror that is pulled from it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

from provisioner.cluster import catalogue
from provisioner.console import Console
from provisioner.context import Context
from provisioner.inventory.starter import write_inventory
from provisioner.mirror.artefacts import needed
from provisioner.mirror.folder import Folder
from provisioner.mirror.lock import ARCHIVE, KEY, PACKAGE, Lock, Locked, System, read
from provisioner.mirror.pull import Pulled, pull
from provisioner.verbs import lock as lock_verb
from provisioner.verbs import mirror
from tests.unit.mirror.served import Served, apt_repository, deb, signing

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


@dataclass
class Operator:
    """Somebody with an inventory, whose vendors and package source are on loopback; images can't be had there."""

    site: Site
    inventory: Path
    origin: tuple[str, ...]

    def lock(self, **options: object) -> int:
        """The exit code of the verb."""
        given = {"system": ("debian12/amd64",), "origin": self.origin, "allow_missing": True, **options}
        return lock_verb.run(Context(self.inventory), Console(), lock_verb.Options(**given))  # type: ignore[arg-type]

    def pulled(self, *make: str) -> int:
        """That of `mirror pull`."""
        options = mirror.Pull(str(self.site.folder.root), make, self.origin)
        return mirror.run_pull(Context(self.inventory), Console(), options)

    @property
    def locked(self) -> Lock:
        """What is in the file."""
        found = read(self.inventory.parent / "provision.lock")
        assert found
        return found

    def line(self, name: str) -> Locked:
        """One of its lines."""
        return next(a for a in self.locked.artefacts if a.name == name)


def operator(site: Site, folder: Path, versions: str = "{}") -> Operator:
    """One below a folder, who wants these versions."""
    (folder / "cluster").mkdir()
    inventory = write_inventory(folder / "cluster")
    own = {"cluster_catalogue": "catalogue.json", "cluster_registry": "127.0.0.1:1", "cluster_versions": versions}
    inventory.write_text(inventory.read_text().replace("  vars:\n", "  vars:\n" + "".join(f"    {k}: {v}\n" for k, v in own.items()), 1))
    archives = [{"component": name, "version": "1.0", "kind": "archive", "checksum": site.served.file(f"{name}.sums", _sums(name)),
                 "urls": [site.served.file(f"{name}.zip", zipped(name))]} for name in ("consul", "zookeeper")]
    packages = [{"component": "logstash", "version": "1.0", "kind": "package", "package": "logstash"},
                {"component": "docker", "version": "1.0", "kind": "package", "packages": {"Debian": ["docker-ce"]}}]
    (inventory.parent / "catalogue.json").write_text(json.dumps([*archives, *packages]))
    asked = {each.name for each in needed(Context(inventory)).packages if each.manager == "apt"}
    names = sorted(asked - {"mesos", "aventer-mesos"} | {"libshared"})
    files = [deb(site.scratch, "libneeded", "1.5", "libshared"), *(deb(site.scratch, name, "1.0") for name in names)]
    with signing() as key:
        address = apt_repository(site.served, "apt", key, *files)
    return Operator(site, inventory, (f"deb [trusted=yes] {address} bookworm main",))


def zipped(word: str) -> bytes:
    """A zip file."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(word), word * 500)
    return content.getvalue()


def _sums(name: str) -> bytes:
    return f"{hashlib.sha256(zipped(name)).hexdigest()}  {name}.zip\n".encode()
