"""The mirror's catalogue: one entry for each artefact it serves, in the format that `provisioner.cluster.catalogue` reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster import catalogue
from provisioner.mirror import listing
from provisioner.mirror.debs import Deb
from provisioner_lab.mirror import mesos
from provisioner_lab.systems import System

#: Distribution packages that are a component's artefact.
_DISTRIBUTION = {"docker.io": "docker", "libzookeeper-java": "zookeeper"}
#: What goes with them where it comes from elsewhere than the hosts' own release: from 26 on the engine only recommends its command line.
_COMPANIONS = {"docker.io": ("docker-cli",)}
#: The same engine under its vendor's names, as the lab's RPMs have it.
_RED_HAT = {"docker.io": ["docker-ce", "docker-ce-cli", "containerd.io"]}
#: Packages outside the distribution that are a component's artefact.
_OWN = ("mesos", "logstash")


@dataclass(frozen=True)
class Archive:
    """A plain file under archives/ with its SHA-256 in hex; `packages` of each family are what the program in it needs."""

    component: str
    version: str
    file: str
    sha256: str
    packages: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Published:
    """What one mirror serves."""

    system: System
    key_fingerprint: str
    distribution: tuple[Deb, ...]
    own: tuple[Deb, ...]
    images: tuple[tuple[str, str, str], ...]  # repository, tag, digest of the manifest
    archives: tuple[Archive, ...]
    stand_ins: frozenset[str]  # package and image names that are stand-ins
    notes: Mapping[str, str] = field(default_factory=dict)  # package name → what a reader of `status` has to know about it


def entries(published: Published) -> list[dict[str, Any]]:
    """The catalogue, as a list ready for JSON."""
    yum = {"yum": "yum"} if published.system.red_hat else {}
    found = [listing.repository(published.key_fingerprint, published.system.codename, **yum)]
    brought = {deb.package for deb in published.own}
    found += [_distribution(deb, published.system, brought) for deb in _newest((*published.distribution, *published.own), _DISTRIBUTION)]
    found += [_own(deb, published) for deb in _newest(published.own, dict.fromkeys(_OWN))]
    found += [_archive(archive) for archive in published.archives]
    found += [_image(repository, tag, digest, published.stand_ins) for repository, tag, digest in published.images]
    return [{"maintained": "yes", "stand_in": False, **entry} for entry in found]


def upstream(version: str) -> str:
    """The upstream part of a Debian version: `1:20.10.24+dfsg1-1+deb12u1` → `20.10.24`."""
    bare = version.partition(":")[2] or version
    return re.split(r"[+~]", bare.rpartition("-")[0] or bare, maxsplit=1)[0]


def _distribution(deb: Deb, system: System, brought: Set[str]) -> dict[str, Any]:
    # The driver takes the names of Debian's family for both: those of the vendor are the same in both.
    if system.red_hat:
        names = _RED_HAT[deb.package]
        version, packages = upstream(deb.version), {"Debian": names, "RedHat": names}
    else:
        companions = [name for name in _COMPANIONS.get(deb.package, ()) if name in brought]
        # The package `zookeeper`, which starts it, would bring all of a desktop's Java.
        java = [system.java] if deb.package == "libzookeeper-java" else []
        version, packages = deb.version, {"Debian": [deb.package, *companions, *java]}
    return listing.package(_DISTRIBUTION[deb.package], version, packages=packages)


def _archive(archive: Archive) -> dict[str, Any]:
    needs = {"packages": dict(archive.packages)} if archive.packages else {}
    return listing.archive(archive.component, archive.version, f"archives/{archive.file}", archive.sha256, **needs)


def _own(deb: Deb, published: Published) -> dict[str, Any]:
    further: dict[str, str] = {}
    if deb.package == mesos.NAME:
        further = _made() if mesos.made_here(deb.version) else {"cgroup": "any", "docker": ""}
    if deb.package in published.notes:
        further = {**further, "note": published.notes[deb.package]}
    stand_in = deb.package in published.stand_ins
    return listing.package(deb.package, deb.version, package=deb.package, stand_in=stand_in, **further)


def _made() -> dict[str, str]:
    """What builds of Apache's code need, as the built-in catalogue has it; of other packages that `--artifacts` brings nothing is known."""
    entry = next(each for each in catalogue.load().entries if each.component == mesos.NAME and each.get("made"))
    return {name: str(entry.get(name)) for name in ("cgroup", "docker", "docker_api")}


def _image(repository: str, tag: str, digest: str, stand_ins: frozenset[str]) -> dict[str, Any]:
    name = repository.rpartition("/")[2]
    version = re.sub(r"^v(?=[0-9])", "", tag)
    return listing.image(name, version, f"{repository}:{tag}", digest, stand_in=name in stand_ins)


def _newest(debs: Iterable[Deb], wanted: Mapping[str, object]) -> list[Deb]:
    """One package for each wanted name, the last one given."""
    found = {deb.package: deb for deb in debs if deb.package in wanted}
    return [found[name] for name in wanted if name in found]
