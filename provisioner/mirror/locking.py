"""Makes the lock of an inventory: asks package managers, vendors and registries what they have now, and compares it with the old lock."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from provisioner.cluster.catalogue import Entry
from provisioner.cluster.lock import ARCHIVE, IMAGE, KEY, PACKAGE, VENDOR, Lock, Locked, System
from provisioner.cluster.model import Host
from provisioner.cluster.version_range import same_version
from provisioner.context import Context
from provisioner.errors import ProvisionError, StepFailed, UsageError
from provisioner.mirror import archives, keys, registry
from provisioner.mirror.artefacts import Needed, NeededArchive, NeededImage, NeededPackage, NeededRepository, needed
from provisioner.mirror.brought import without_registry
from provisioner.mirror.constraints import foreign, violated
from provisioner.mirror.origins import fits, repositories, resolver
from provisioner.mirror.programs import Say, working
from provisioner.mirror.recipes import makeable, unmade
from provisioner.mirror.resolve import manager, packages

#: What the repository of a site's mirror is called.
_SITE = "site"
#: Asked at the same time: addresses and registries, which make one wait.
_PARALLEL = 4


@dataclass(frozen=True)
class Upgrade:
    """What may move although what is locked still fits: nothing, all, or what one component needs."""

    everything: bool = False
    component: str = ""

    def moves(self, artefact: Locked) -> bool:
        """Whether an artefact need not stay."""
        return artefact.origin == VENDOR and (self.everything or (bool(self.component) and artefact.component == self.component))


@dataclass(frozen=True)
class Made:
    """A lock, and sentences: what is missing in it, what could not be asked and so stays as it was, what `mirror pull` has to make."""

    lock: Lock
    missing: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    unmade: tuple[str, ...] = ()


@dataclass
class Making:
    """What is being found."""

    before: Lock
    upgrade: Upgrade
    artefacts: list[Locked] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)

    def kept(self, kind: str, name: str, version: str, component: str = "") -> Locked | None:
        """What is locked of this name and version, and for this component where several may have files of the same name."""
        return next((a for a in self.before.artefacts if (a.kind, a.name, a.version) == (kind, name, version)
                     and component in ("", a.component)), None)

    def kept_key(self, repository: NeededRepository) -> Locked | None:
        """The locked key of a repository, if it is still the one that is expected."""
        return self.kept(KEY, repository.key_name, repository.key_fingerprint.replace(" ", "").upper())

    def brought(self, name: str, version: str = "", system: str = "") -> Locked | None:
        """What the user brought or made, which nobody serves, if it still is of the version that is wanted."""
        return next((a for a in self.before.artefacts if a.origin != VENDOR and a.name == name and a.system == system
                     and (not version or same_version(a.version, version))), None)

    def brought_image(self, image: NeededImage) -> Locked | None:
        """The same for an image, whose registry may be another by now: the one of the mirror into which it was brought."""
        return next((replace(a, name=image.image) for a in self.before.artefacts if a.kind == IMAGE and a.origin != VENDOR
                     and without_registry(a.name) == without_registry(image.image)), None)

    def one(self, ask: Callable[[], Locked], kept: Locked | None) -> None:
        """Adds what is served; where nobody answers what is locked stays."""
        try:
            self.artefacts.append(ask())
        except ProvisionError as error:
            if isinstance(error, UsageError) and not isinstance(error, registry.NoSkopeoError):
                raise
            if kept and not getattr(error, "reached", False) and not isinstance(error, (keys.WrongKeyError, archives.WrongFileError)):
                self.artefacts.append(kept)
                self.unasked.append(error.message)
            else:
                self.missing.append(error.message)


def make(context: Context, systems: Mapping[System, tuple[Host, ...]], before: Lock | None = None, upgrade: Upgrade = Upgrade(), *,
         origins: Sequence[str] = (), say: Say = lambda line: None) -> Made:
    """The lock of an inventory for these systems. What is locked stays where it still fits, unless `upgrade` lets it move.

    `origins` are one-line package sources instead of this machine's own (see `origins`). Raises UsageError for systems whose packages
    can't be resolved here, StepFailed where a digest changed at the same version.
    """
    making = Making(before or Lock(), upgrade)
    wanted = {system: _of_system(needed(context, hosts, f"{system.distribution}{system.release}"), system, repositories(origins))
              for system, hosts in systems.items()}
    nowhere = {sentence.partition(" ")[0]: sentence for each in wanted.values() for sentence in each.nowhere}
    made = makeable(context, nowhere.values())
    everything = _together(tuple(wanted.values()))
    with tempfile.TemporaryDirectory(prefix="lock-") as folder:
        with working(say, "keys, archives and images"):
            trusted = _keys(making, everything, Path(folder))
            _files(making, everything, nowhere, sorted({system.architecture for system in systems}))
        for system, own in wanted.items():
            with working(say, f"packages of {system.name}"):
                own = replace(own, packages=tuple(each for each in own.packages if not _is_of(each, made)
                                                  or making.brought(each.name, each.version, system.name)))
                _packages(making, system, own, nowhere, trusted, origins, Path(folder))
    lock = Lock(tuple(systems), tuple(dict.fromkeys(making.artefacts)))
    making.missing += [*violated(lock, context), *foreign(lock)]
    refuse_changed(making.before, lock)
    waiting = tuple(dict.fromkeys(nowhere[entry.component] for entry, _ in unmade(made, lock)))
    return Made(lock, tuple(dict.fromkeys(making.missing)), tuple(dict.fromkeys(making.unasked)), waiting)


def _is_of(package: NeededPackage, made: Mapping[str, Entry]) -> bool:
    """Whether a package is one that is made here."""
    return package.component in made and package.name == made[package.component].get("package")


def refuse_changed(before: Lock, now: Lock) -> None:
    """Raises StepFailed where something has another digest than it was locked with, at the same version."""
    old = {(a.key, a.name, a.version): a for a in before.artefacts if a.kind != KEY}  # a key is known by its fingerprint
    changed = [(old[key], a) for a in now.artefacts if (key := (a.key, a.name, a.version)) in old and old[key].digest != a.digest]
    if changed:
        rows = [f"{a.kind} {a.name} {a.version}{f' ({a.system})' if a.system else ''}: locked is {o.digest}, served is {a.digest}"
                f"{f' by {a.url}' if a.url else ''}" for o, a in changed]
        raise StepFailed("other content under the same version:\n" + "\n".join(rows),
                         hint="ask the vendor why; if it is right, take the line of it out of provision.lock and lock again")


def _of_system(wanted: Needed, system: System, more: Sequence[NeededRepository]) -> Needed:
    """What is for hosts of that system, with more repositories."""
    return replace(wanted, repositories=tuple(each for each in (*wanted.repositories, *more) if fits(each, system)),
                   archives=tuple(each.on(system.architecture) for each in wanted.archives),
                   packages=tuple(each for each in wanted.packages if each.manager == manager(system)))


def _together(each: Sequence[Needed]) -> Needed:
    """What does not depend on the system, once."""
    return Needed((), tuple(dict.fromkeys(a for n in each for a in n.archives)), tuple(dict.fromkeys(i for n in each for i in n.images)),
                  tuple(dict.fromkeys(r for n in each for r in n.repositories if r.key_url)))


def _keys(making: Making, wanted: Needed, folder: Path) -> dict[NeededRepository, Path]:
    """Locks the keys of repositories; gives where what is trusted of each lies."""
    found: dict[NeededRepository, Path] = {}
    for repository in wanted.repositories:
        def ask(repository: NeededRepository = repository) -> Locked:
            key, name = keys.fetch(repository.key_url, repository.key_fingerprint), repository.key_name
            found[repository] = keys.keep(key, folder, name)
            return Locked(KEY, name, key.fingerprint, key.digest, len(key.content), "", "", key.url, fingerprint=key.fingerprint)

        making.one(ask, making.kept_key(repository))
    return found


def _files(making: Making, wanted: Needed, nowhere: Mapping[str, str], architectures: Sequence[str]) -> None:
    """Archives and images, several at a time, in the order in which they are wanted."""
    def archive(each: NeededArchive) -> tuple[Callable[[], Locked], Locked | None]:
        name = each.urls[0].rpartition("/")[2]
        kept = making.kept(ARCHIVE, name, each.version, each.component)
        if kept and kept.origin != VENDOR:
            return lambda: kept, kept
        return lambda: archives.locked(each), kept

    def image(each: NeededImage) -> tuple[Callable[[], Locked], Locked | None]:
        if brought := making.brought_image(each):
            return lambda: brought, brought
        return lambda: registry.locked(each, architectures), making.kept(IMAGE, each.image, each.version)

    lost = [each for each in wanted.images if each.component in nowhere and not making.brought_image(each)]
    making.missing += [nowhere[each.component] for each in lost]
    asked = [*map(archive, wanted.archives), *(image(each) for each in wanted.images if each not in lost)]
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = [(pool.submit(ask), kept) for ask, kept in asked]
        for answer, kept in answers:
            making.one(answer.result, kept)


def _packages(making: Making, system: System, wanted: Needed, nowhere: Mapping[str, str], trusted: Mapping[NeededRepository, Path],
              origins: Sequence[str], folder: Path) -> None:
    brought = [replace(a, component=each.component) for each in wanted.packages
               if (a := making.brought(each.name, each.version, system.name))]
    had = {a.name for a in brought}
    asked = [each for each in wanted.packages if each.name not in had]
    own = [a for a in making.before.artefacts if a.kind == PACKAGE and a.system == system.name and a.origin == VENDOR]
    kept = [a for a in own if not making.upgrade.moves(a)]
    making.artefacts += brought
    away = {each.name: "its key can't be had" for each in wanted.repositories if each not in trusted and making.kept_key(each)}
    try:
        if _SITE in away:
            raise ProvisionError("without the key of the site's mirror")
        asking, silent = resolver(system, wanted, trusted, origins, folder / system.name.replace("/", "-"))
    except UsageError:
        raise
    except ProvisionError as error:
        (making.unasked if own else making.missing).append(f"packages of {system.name}: {error.message}")
        making.artefacts += _still(own, asked)
        return
    away |= silent
    for name, why in away.items():
        there = any(a.component == name for a in own)
        (making.unasked if there else making.missing).append(f"packages of {name} on {system.name}: {why}")
    found, missing = packages(asking, system, [each for each in asked if each.component not in away], kept, brought)
    making.artefacts += found
    making.artefacts += _beside(found, [a for a in _still(own, asked) if away and (a.component in away or not a.component)])
    known = {role: said for role, said in nowhere.items() if role not in {each.component for each in brought}}
    making.missing += [known.get(sentence.partition(" ")[0], sentence) for sentence in missing]


def _beside(found: Sequence[Locked], still: Sequence[Locked]) -> list[Locked]:
    """What stays as it is locked, beside what was found now."""
    names = {each.name for each in found}
    return [each for each in still if each.name not in names]


def _still(own: Sequence[Locked], asked: Sequence[NeededPackage]) -> list[Locked]:
    """What is locked and asked for by the same component as before."""
    names = {each.name: each.component for each in asked}
    return [replace(a, component=names.get(a.name, a.component)) for a in own if not a.asked or a.name in names]
