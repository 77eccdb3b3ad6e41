"""Which packages a system takes, each with all that it depends on: asked of apt or dnf itself, as if nothing were installed.

From an empty list of installed packages the answer holds for any host of that system: whatever it lacks is among them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from provisioner.cluster.lock import PACKAGE, Locked, System
from provisioner.cluster.version_range import same_version
from provisioner.errors import ProvisionError
from provisioner.mirror.apt import call
from provisioner.mirror.artefacts import NeededPackage
from provisioner.mirror.debs import relations
from provisioner.observe.preflight.sources import MANAGERS

_URI = re.compile(r"^'(?P<url>[^']+)' (?P<file>\S+) (?P<size>\d+)")
#: Above any other priority: from an empty status nothing can be downgraded by it.
_PIN = 1001


@dataclass(frozen=True)
class Candidate:
    """A package file that a package manager would fetch; `sha256` is in hex, `size` in bytes.

    `fingerprint` is of the key that must have signed the file itself, as RPMs are; '' where none need have.
    """

    name: str
    version: str
    url: str
    size: int
    sha256: str
    fingerprint: str = ""


class Resolver(Protocol):
    """A package manager's view of one system."""

    def versions(self, names: Iterable[str]) -> dict[str, list[str]]:
        """The versions that the sources have of these packages, the newest first."""

    def closure(self, wanted: Sequence[str], pinned: Mapping[str, str]) -> list[Candidate]:
        """What would be fetched for these, each `name` or `name=version`; of packages in `pinned` that version, if there is one.

        Raises ProvisionError with the package manager's words.
        """

    def needed_by(self, relations: str, pinned: Mapping[str, str]) -> list[Candidate]:
        """The same for what a package depends on, such as `a (>= 1), c`."""


class Apt:
    """apt's view of one system, in a folder of its own, from one-line sources."""

    def __init__(self, system: System, lines: Sequence[str], folder: Path) -> None:
        self._root, self._lists = folder, folder / "lists"
        for made in (folder / "archives" / "partial", self._lists / "partial"):
            made.mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text("".join(f"{line}\n" for line in lines))
        self._settings: dict[str, object] = {
            "APT::Architecture": system.architecture, "APT::Architectures": system.architecture,
            "Dir::Etc::preferences": folder / "preferences", "APT::Update::Error-Mode": "any",
            "APT::Install-Recommends": "false", "Acquire::Retries": 2,
        }

    def update(self) -> None:
        """Reads the lists of all sources. Raises ProvisionError when one of them can't be read or is not signed by its key."""
        self._call("update")

    def versions(self, names: Iterable[str]) -> dict[str, list[str]]:
        """The versions that the sources have of these packages, the newest first."""
        found: dict[str, list[str]] = {name: [] for name in names}
        for line in self._call("madison", *found, program="apt-cache").splitlines() if found else ():
            name, version, *_ = (part.strip() for part in line.split("|"))
            if version not in found.setdefault(name, []):
                found[name].append(version)
        return found

    def closure(self, wanted: Sequence[str], pinned: Mapping[str, str]) -> list[Candidate]:
        """What apt would fetch for these, each `name` or `name=version`; of packages in `pinned` it takes that version, if there is one.

        Raises ProvisionError with apt's words.
        """
        return self._fetched("install", wanted, pinned)

    def needed_by(self, relations: str, pinned: Mapping[str, str]) -> list[Candidate]:
        """The same for a field of dependencies, such as `a (>= 1) | b, c`."""
        return self._fetched("satisfy", [relations], pinned)

    def _fetched(self, verb: str, wanted: Sequence[str], pinned: Mapping[str, str]) -> list[Candidate]:
        pins = (f"Package: {name}\nPin: version {version}\nPin-Priority: {_PIN}\n" for name, version in pinned.items())
        (self._root / "preferences").write_text("\n".join(pins))
        found = _files(self._call(verb, "--print-uris", "--yes", "--no-install-recommends", *wanted))
        described = self._described([f"{deb.name}={deb.version}" for deb in found])
        return [replace(deb, sha256=described[deb.name, deb.version]) for deb in found]

    def _described(self, exact: Sequence[str]) -> dict[tuple[str, str], str]:
        """The SHA-256 of packages by name and version; what apt prints of a file may be a weaker checksum."""
        text = self._call("show", *exact, program="apt-cache") if exact else ""
        paragraphs = [dict(line.split(": ", 1) for line in each.splitlines() if ": " in line and line[0] != " ")
                      for each in text.split("\n\n")]
        return {(each["Package"], each["Version"]): each.get("SHA256", "") for each in paragraphs if "Package" in each}

    def _call(self, verb: str, *arguments: str, program: str = "apt-get") -> str:
        return call(self._root, self._lists, verb, *arguments, program=program, more=self._settings)


def _files(printed: str) -> list[Candidate]:
    """What `apt-get --print-uris` lists: the file's name says package and version."""
    rows = [row for line in printed.splitlines() if (row := _URI.match(line))]
    named = [(row, unquote(row["file"]).split("_")) for row in rows]
    return [Candidate(name[0], name[1], row["url"], int(row["size"]), "") for row, name in named]


def manager(system: System) -> str:
    """What installs packages there, as roles call it: apt or yum."""
    return MANAGERS["Debian" if system.codename else "RedHat"]


def packages(resolver: Resolver, system: System, wanted: Sequence[NeededPackage], kept: Sequence[Locked] = (),
             brought: Sequence[Locked] = ()) -> tuple[list[Locked], list[str]]:
    """The packages of a system for its lock, and sentences about what is missing.

    `kept` are those of an older lock that are to stay as they are where that still fits, `brought` those that no source has and whose
    dependencies are wanted.
    """
    mine = [each for each in wanted if each.manager == manager(system)]
    served = resolver.versions(dict.fromkeys(each.name for each in mine))
    pinned = {each.name: each.version for each in kept}
    found, missing, stuck = _all(resolver, mine, served, pinned, system, brought)
    while stuck & pinned.keys():  # what can't stay for one component moves for all: a host has one version of each package
        pinned = {name: version for name, version in pinned.items() if name not in stuck}
        found, missing, stuck = _all(resolver, mine, served, pinned, system, brought)
    asked = {each.name: each.component for each in reversed(mine)}
    return [_locked(rows, asked, system) for rows in found.values()], missing


Found = dict[tuple[str, str], list[tuple[str, Candidate]]]


def _all(resolver: Resolver, mine: Sequence[NeededPackage], served: Mapping[str, list[str]], pinned: Mapping[str, str],
         system: System, brought: Sequence[Locked]) -> tuple[Found, list[str], set[str]]:
    """Each package file with the components that need it, sentences about what is missing, and the names that can't keep their version."""
    found: Found = {}
    missing: list[str] = []
    stuck: set[str] = set()
    own_of = {component: [each for each in mine if each.component == component] for component in (each.component for each in mine)}
    chosen = {component: _exact(own, served, pinned) for component, own in own_of.items()}
    # What one component asks for in a version others depend on in that version, too.
    pins = {**pinned, **{name: version for exact, _ in chosen.values() for name, is_, version in map(_parted, exact) if is_}}
    for component, own in own_of.items():
        exact, lacks = chosen[component]
        missing += [f"{component} on {system.name}: {sentence}" for sentence in lacks]
        try:
            debs = resolver.closure(exact, pins) if exact else []
        except ProvisionError as error:
            freed = _freed(resolver, _exact(own, served, {})[0], pinned)
            stuck |= freed
            if not freed:
                missing.append(f"{component} on {system.name}: {error.message}")
            continue
        for deb in debs:
            found.setdefault((deb.name, deb.version), []).append((component, deb))
    own_names = {each.name for each in brought}
    for each in brought:
        lines = [line for line in each.needs.split(",") if line.strip() and not own_names.intersection(*relations(line))]
        try:
            debs = resolver.needed_by(",".join(lines), pins) if lines else []
        except ProvisionError as error:
            missing.append(f"{each.component} on {system.name}: what {each.name} {each.version} depends on is in no source "
                           f"({each.needs}): {error.message}")
            continue
        for deb in debs:
            found.setdefault((deb.name, deb.version), []).append((each.component, deb))
    return found, missing, stuck


def _parted(exact: str) -> tuple[str, str, str]:
    """`name=version` in its parts."""
    return exact.partition("=")


def _freed(resolver: Resolver, exact: Sequence[str], pinned: Mapping[str, str]) -> set[str]:
    """The names of a component's packages that have another version without pins; none where it has no solution without them either."""
    try:
        return {deb.name for deb in resolver.closure(exact, {}) if pinned.get(deb.name, deb.version) != deb.version}
    except ProvisionError:
        return set()


def _exact(own: Sequence[NeededPackage], served: Mapping[str, list[str]], pinned: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Each package of a component as `name` or `name=version`, and sentences about those that no source has."""
    versioned = next((each for each in own if each.version), None)
    # Packages that are built together, such as an engine and its client, have the same version.
    together = _choice(versioned, served, pinned) if versioned else ""
    exact, lacks = [], []
    for each in own:
        has = served[each.name]
        chosen = _choice(each, served, pinned) if each.version or pinned.get(each.name) in has else together if together in has else ""
        if each.version and not chosen:
            lacks.append(f"the sources have {each.name} {', '.join(has)}, not {each.version}" if has else
                         f"no source has the package {each.name} {each.version}")
        else:
            exact.append(f"{each.name}={chosen}" if chosen else each.name)
    return exact, lacks


def _choice(package: NeededPackage, served: Mapping[str, list[str]], pinned: Mapping[str, str]) -> str:
    """The version that is locked, if it still fits and is served, else the newest one that fits; '' where there is none."""
    fitting = [version for version in served[package.name]
               if not package.version or same_version(version, package.version, package.manager)]
    return pinned[package.name] if pinned.get(package.name) in fitting else next(iter(fitting), "")


def _locked(rows: Sequence[tuple[str, Candidate]], asked: Mapping[str, str], system: System) -> Locked:
    """A package by the components that need it: it belongs to the one that asks for it, else to the only one that depends on it."""
    deb, components = rows[0][1], {component for component, _ in rows}
    owner = asked.get(deb.name) or (next(iter(components)) if len(components) == 1 else "")
    return Locked(PACKAGE, deb.name, deb.version, f"sha256:{deb.sha256}", deb.size, owner, system.name, deb.url,
                  fingerprint=deb.fingerprint, asked=deb.name in asked)
