"""What the played vendors serve, made of what the lab's mirror serves: a folder for each name, with the paths that the catalogue names."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import provisioner.cluster.catalogue
from provisioner.mirror import repository
from provisioner.mirror.debs import Deb, read
from provisioner.mirror.files import file_sha256, link_or_copy
from provisioner.mirror.programs import Say, working
from provisioner.mirror.repository import Key
from provisioner_lab.cache import cache_dir, digest
from provisioner_lab.mirror.content import forget_unused
from provisioner_lab.mirror.repackaged import zookeeper_archive
from provisioner_lab.paths import lab_dir
from provisioner_lab.systems import System, architecture
from provisioner_lab.vendors import certificates, packages, registry, yum
from provisioner_lab.vendors.catalogue import ELSEWHERE, Entry, addresses, entries

#: Where an owner's hosts have the packages of their release from. The real places have names that are no business of ours.
DISTRIBUTION = "distribution.test"
REGISTRY, LOGIN = "registry-1.docker.io", "auth.docker.io"
#: Beside a file stands what is served in its place when it is to have expired.
EXPIRED = ".expired"


@dataclass(frozen=True)
class Place:
    """Where things go while they are made: the folder of the hosts, and one for what lies around."""

    hosts: Path
    work: Path

    def file(self, url: str) -> Path:
        """The file behind an address, with the folders above it."""
        parts = urlsplit(url)
        found = self.hosts / str(parts.hostname) / parts.path.lstrip("/")
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def folder(self, url: str) -> Path:
        """The folder behind an address, made."""
        found = self.file(f"{url.rstrip('/')}/x").parent
        found.mkdir(parents=True, exist_ok=True)
        return found


def build(which: System, served: Path, say: Say) -> Path:
    """The folder with `hosts`, `tls`, `ca.pem`, `distribution.asc` and `catalogue.json`, built if need be out of a mirror's content.

    Raises UsageError where this machine has no programs for it.
    """
    if which.red_hat:
        yum.refuse_without_programs()
    key, certificate = certificates.authority(cache_dir() / "vendors-authority")
    target = cache_dir() / f"vendors-{which.name}-{digest(served.name, certificate, _builtin_path().read_bytes(), *_recipe())}"
    if not target.is_dir():
        with working(say, "content of the played vendors"), tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            made, work = Path(scratch) / "content", Path(scratch) / "work"
            work.mkdir()
            found = (_fill_rpms if which.red_hat else _fill)(which, served, Place(made / "hosts", work))
            (made / "catalogue.json").write_text(json.dumps(found, indent=1) + "\n")
            (made / "ca.pem").write_text(certificate)
            (made / "distribution.asc").write_text(repository.public_key(_key("distribution")))
            certificates.certify(names(made), key, certificate, made / "tls")
            made.rename(target)
    forget_unused(target)
    return target


def programs() -> Path:
    """The folder of the program that serves it."""
    source = lab_dir() / "vendors" / "serve.py"
    target = cache_dir() / f"vendors_program-{digest(source.read_bytes())}"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="making-") as scratch:
            made = Path(scratch) / "program"
            made.mkdir()
            shutil.copy(source, made)
            made.rename(target)
    forget_unused(target)
    return target


def names(content: Path) -> list[str]:
    """The hosts that are played."""
    return sorted(path.name for path in (content / "hosts").iterdir())


def _fill(which: System, served: Path, place: Place) -> list[Entry]:
    mirrored: list[Entry] = json.loads((served / "www" / "catalogue.json").read_text())
    pool = served / "www" / "apt" / "pool" / which.codename
    distribution, own = pool / repository.DISTRIBUTION, [read(path) for path in sorted((pool / repository.OWN).glob("*.deb"))]
    archives = {"consul": next((served / "www" / "archives").glob("consul_*.zip")), "zookeeper": _zookeeper(which, served, place.work)}
    debs = _packages(distribution, own, which, place.work)
    keys = {component: _key(component) for component in debs}
    versions = {"consul": archives["consul"].name.split("_")[1], "zookeeper": archives["zookeeper"].name.split("-")[2]}
    found = entries(json.loads(_builtin_path().read_text()), mirrored, versions, {name: each[0] for name, each in debs.items()},
                    {name: key.fingerprint for name, key in keys.items()})
    by_component = {entry["component"]: entry for entry in found}
    for component, archive in archives.items():
        _archive(by_component[component], archive, place)
    for component, each in debs.items():
        _repository(by_component[component], each, keys[component], which, place)
    _images(found, mirrored, served / "registry", place.hosts)
    _distribution(which, distribution, place.hosts / DISTRIBUTION)
    return found


def _fill_rpms(which: System, served: Path, place: Place) -> list[Entry]:
    mirrored: list[Entry] = json.loads((served / "www" / "catalogue.json").read_text())
    archives = {name: next((served / "www" / "archives").glob(pattern))
                for name, pattern in (("consul", "consul_*.zip"), ("zookeeper", "apache-zookeeper-*.tar.gz"))}
    versions = {"consul": archives["consul"].name.split("_")[1], "zookeeper": archives["zookeeper"].name.split("-")[2]}
    keys = {component: _key(component) for component in yum.PACKAGES}
    found = entries(json.loads(_builtin_path().read_text()), mirrored, versions, {}, {name: key.fingerprint for name, key in keys.items()},
                    {**ELSEWHERE, **yum.ELSEWHERE})
    files, release = yum.by_owner(served / "www" / "yum"), which.name.lstrip("abcdefghijklmnopqrstuvwxyz")
    for entry in found:
        entry.pop("debian_version", None)
        component = entry["component"]
        if component in archives:
            _archive(entry, archives[component], place)
        if component in keys:
            _key_of_rpms({**entry, **entry["yum"]}, keys[component], place)
            yum.lay_out(files[component], place.folder(yum.filled(entry["yum"]["baseurl"], release)), keys[component])
    yum.el_repo(keys["mesos"], place.file, place.work / "el-repo")
    _images(found, mirrored, served / "registry", place.hosts)
    yum.lay_out(files[""], place.folder(f"http://{DISTRIBUTION}/{yum.filled(yum.OS, release)}"), _key("distribution"))
    return found


def _key_of_rpms(told: Mapping[str, Any], key: Key, place: Place) -> None:
    served = place.file(told["key_url"])
    served.write_text(repository.public_key(key))
    served.with_name(served.name + EXPIRED).write_text(_expired(key, place.work))


def _packages(distribution: Path, own: Sequence[Deb], which: System, work: Path) -> Mapping[str, Sequence[Deb]]:
    """What each vendor's repository has, by component; the first package is the one that carries the version."""
    by_name = {deb.package: deb for deb in own}
    return {"docker": packages.docker(distribution, which.codename, work), "logstash": [by_name["logstash"]],
            "mesos": [packages.clusterd((by_name.get(packages.CLUSTERD) or by_name["mesos"]).path, work / "clusterd")]}


def _zookeeper(which: System, served: Path, work: Path) -> Path:
    pool = served / "www" / "apt" / "pool" / which.codename / repository.DISTRIBUTION
    return work / "archives" / zookeeper_archive(pool, which.java, work / "archives").file


def _archive(entry: Entry, archive: Path, place: Place) -> None:
    """An archive at its addresses, and what says its checksum in the vendor's form."""
    for url in entry["urls"]:
        link_or_copy(archive, place.file(url.replace("{arch}", architecture())))
    *_, checksums = addresses(entry)
    place.file(checksums).write_text(f"{_checksum(archive, checksums)}  {archive.name}\n")


def _checksum(archive: Path, url: str) -> str:
    if not url.endswith(".sha512"):
        return file_sha256(archive)
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def _repository(entry: Entry, debs: Sequence[Deb], key: Key, which: System, place: Place) -> None:
    """A vendor's repository at the addresses of its entry, and beside what can expire what it is when it has."""
    words = {"distribution": "debian", "codename": which.codename}
    source: Mapping[str, Any] = entry["apt"]
    root, suite = place.file(source["uri"].format(**words)), source["suite"].format(**words)
    root.mkdir(exist_ok=True)
    repository.add(root, suite, repository.OWN, [deb.path for deb in debs])
    repository.publish(root, suite, architecture(), key, place.work / "unused.db", label=entry["component"],
                       component=source["components"][0])
    served = place.file(entry["key_url"])
    (root / "key.asc").rename(served)
    served.with_name(served.name + EXPIRED).write_text(_expired(key, place.work))
    release = root / "dists" / suite / "Release"
    old = place.work / f"{entry['component']}-Release"
    old.write_text(_outdated(release.read_text()))
    repository.clearsign(key, old, release.with_name(f"InRelease{EXPIRED}"))


def _outdated(release: str) -> str:
    """What apt refuses to use any more."""
    return f"Valid-Until: Fri, 01 Jan 2021 00:00:00 UTC\n{release}"


def _expired(key: Key, work: Path) -> str:
    """The same key as it looks once it has expired; the key itself stays as it is."""
    home = work / f"expired-{key.fingerprint[-8:]}"
    shutil.copytree(key.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
    repository.gpg(home, "--passphrase", "", "--quick-set-expire", key.fingerprint, "seconds=1", what="an expired key")
    return repository.public_key(Key(home, key.fingerprint))


def _images(found: Sequence[Entry], mirrored: Sequence[Entry], storage: Path, hosts: Path) -> None:
    digests = {entry["component"]: entry["digest"] for entry in mirrored if "digest" in entry}
    (hosts / LOGIN).mkdir(parents=True)
    for entry in found:
        if entry["kind"] == "image":
            registry.lay_out(storage, digests[entry["component"]], entry["image"], hosts / REGISTRY)


def _distribution(which: System, pool: Path, root: Path) -> None:
    """What an owner's hosts install from before we come: the packages of the release, without those of vendors."""
    repository.add(root, which.codename, repository.DISTRIBUTION, sorted(pool.glob("*.deb")))
    repository.publish(root, which.codename, architecture(), _key("distribution"), cache_dir() / "distribution.db", label="distribution")


def _key(name: str) -> Key:
    """A vendor's key, the same in all labs of this machine."""
    return repository.signing_key(cache_dir() / f"vendor-key-{name}", f"played vendor of {name}")


def _recipe() -> list[bytes]:
    """How it is made: making all again takes seconds."""
    return [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]


def _builtin_path() -> Path:
    return Path(provisioner.cluster.catalogue.__file__).parent / "builtin.json"


