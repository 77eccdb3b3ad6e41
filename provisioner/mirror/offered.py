"""What is known of everything that an inventory needs: where it comes from, whether it is maintained, and whether it is there."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cluster.catalogue import Entry
from provisioner.cluster.lock import ARCHIVE, IMAGE, KEY, PACKAGE, System
from provisioner.cluster.version_range import same_version
from provisioner.context import Context
from provisioner.errors import ProvisionError
from provisioner.mirror import archives, fetch, keys
from provisioner.mirror.artefacts import Needed, NeededArchive, NeededImage, NeededRepository
from provisioner.mirror.systems import MACHINES
from provisioner.observe.preflight.sources import DOCKER_HUB, MANAGERS, split_image
from provisioner.probe.sources import sources

#: Seconds for a server to answer.
PATIENCE = 8.0
_PARALLEL = 4
REPOSITORY = "repository"
#: What may be said of an artefact: served; not served; nobody could be asked; the hosts' own sources are expected to have it.
SERVED, MISSING, UNREACHED, DISTRIBUTION = "yes", "no", "not reached", "distribution"


@dataclass(frozen=True)
class Offer:
    """One artefact on one system ('' where it is for all).

    `where` is the address that was tried; `answer` one of SERVED, MISSING, UNREACHED, DISTRIBUTION, and `why` what was said where it is
    not SERVED. `checksum` is a digest, a key's fingerprint, or the address of a list of checksums that was not read; `size` is in bytes,
    0 where nobody said.
    `instead` says what to do where nobody serves it, `made` what has to be known of it where this machine can make it.
    """

    component: str
    kind: str
    name: str
    version: str = ""
    system: str = ""
    licence: str = ""
    maintained: str = ""
    where: str = ""
    answer: str = DISTRIBUTION
    why: str = ""
    size: int = 0
    checksum: str = ""
    stand_in: bool = False
    instead: str = ""
    made: str = ""

    @property
    def good(self) -> bool:
        """Is there nothing to do about it?"""
        return self.answer in (SERVED, DISTRIBUTION)


def offers(context: Context, needed: Needed, system: System) -> list[Offer]:
    """What each artefact's address says when this machine asks it. Nothing is downloaded but lists of packages."""
    asking = _Asking(context, needed, system)
    proxies = {name: url for name, url in urllib.request.getproxies().items() if name in ("http", "https", "no")}
    words = {"manager": asking.manager, "distribution": system.distribution, "codename": system.codename, "release": system.release,
             "machine": MACHINES[system.architecture]}
    for answer in sources(asking.questions, words, PATIENCE, proxies):
        asking.hear(answer)
    asking.look_closer()
    return [*asking.found(), *_nowhere(context, needed, system)]


class _Asking:
    """The questions about an inventory, and what the answers make of its artefacts."""

    def __init__(self, context: Context, needed: Needed, system: System) -> None:
        self._context, self._system = context, system
        self.manager = "apt" if system.codename else "yum"
        self._repositories = [each for each in needed.repositories if each.manager == self.manager]
        self._packages = [each for each in needed.packages if each.manager == self.manager]
        self._nowhere = {sentence.partition(" ")[0] for sentence in needed.nowhere}
        self._asked: list[Offer] = []
        self._archives: dict[tuple[str, str], NeededArchive] = {}
        self._served: dict[str, list[tuple[str, str]]] = {}
        self.questions: list[dict[str, Any]] = []
        for repository in self._repositories:
            self._repository(repository)
        for archive in needed.archives:
            self._archive(archive.on(system.architecture))
        for image in needed.images:
            if image.component not in self._nowhere:
                self._image(image)

    def hear(self, answer: Mapping[str, Any]) -> None:
        """Takes an answer in."""
        place = answer["question"]
        reached = bool(answer["status"])
        why = answer["error"] or ("its signature has expired (Valid-Until)" if answer.get("expired") else "")
        said = SERVED if not why else MISSING if reached else UNREACHED
        offer = self._asked[place]
        self._asked[place] = replace(offer, where=answer["url"] or offer.where, answer=said, why=why,
                                     size=int(answer.get("bytes") or 0), checksum=offer.checksum or str(answer.get("digest") or ""))
        for name, versions in (answer.get("packages") or {}).items():
            self._served.setdefault(name, []).extend((version, offer.where) for version in versions)

    def look_closer(self) -> None:
        """Tries the further addresses of archives, reads their published checksums, and compares keys with their fingerprints."""
        with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            self._asked = list(pool.map(self._closer, self._asked))

    def _closer(self, offer: Offer) -> Offer:
        try:
            if offer.kind == KEY and offer.answer == SERVED:
                keys.fetch(offer.where, offer.checksum)
            elif offer.kind == ARCHIVE:
                return self._closer_at_archive(offer)
        except ProvisionError as error:
            return replace(offer, answer=MISSING, why=error.message)
        return offer

    def _closer_at_archive(self, offer: Offer) -> Offer:
        archive = self._archives[offer.component, offer.name]
        for url in archive.urls[1:] if offer.answer != SERVED else ():
            try:
                offer = replace(offer, where=url, size=fetch.size_of(url), answer=SERVED, why="")
                break
            except fetch.NoAnswerError as error:
                if error.reached:
                    offer = replace(offer, answer=MISSING, why=f"{offer.why}; {error.message}")
        if offer.answer != SERVED:
            return offer
        algorithm, value = archives.expected(archive)
        return replace(offer, checksum=f"{algorithm}:{value}")

    def found(self) -> Iterator[Offer]:
        """All but what is known to come from nowhere."""
        yield from self._asked
        away = {offer.name: offer for offer in self._asked if offer.kind == REPOSITORY and offer.answer != SERVED}
        for package in self._packages:
            if package.component in self._nowhere and self._certain(package.component, package.name):
                continue
            served = [(v, where) for v, where in self._served.get(package.name, [])
                      if not package.version or same_version(v, package.version, self.manager)]
            own = away.get(package.component) or away.get("site")
            base = self._offer(package.component, PACKAGE, package.name, package.version, system=self._system.name)
            if served:
                yield replace(base, version=served[-1][0], where=served[-1][1], answer=SERVED)
            elif own and self._certain(package.component, package.name):
                yield replace(base, where=own.where, answer=own.answer, why=own.why)
            elif self._certain(package.component, package.name) and self._repositories:
                others = ", ".join(dict.fromkeys(v for v, _ in self._served.get(package.name, []))) or "no such package"
                yield replace(base, answer=MISSING, why=f"its repositories have {others}")
            else:
                yield replace(base, licence="", maintained="", made="", where="the release's own repositories")

    def _certain(self, component: str, name: str) -> bool:
        """Whether no distribution has it: the catalogue says where it comes from."""
        entry = self._entry(component)
        if entry is None or not (entry.get("apt") or entry.get("package")):
            return False
        listed = entry.get("packages") or {}
        return name == entry.get("package") or any(name in names for names in listed.values())

    def _ask(self, offer: Offer, question: dict[str, Any]) -> None:
        self.questions.append({**question, "question": len(self.questions)})
        self._asked.append(offer)

    def _repository(self, repository: NeededRepository) -> None:
        names = [package.name for package in self._packages]
        kind = "apt" if repository.manager == MANAGERS["Debian"] else "yum"
        self._ask(self._offer(repository.name, REPOSITORY, repository.name, system=self._system.name, where=repository.uri),
                  {"kind": kind, "url": repository.uri, "suite": repository.suite, "components": [*repository.components],
                   "packages": names})
        if repository.key_url:
            self._ask(self._offer(repository.name, KEY, repository.name, where=repository.key_url, checksum=repository.key_fingerprint),
                      {"kind": "file", "url": repository.key_url, "by": kind})

    def _archive(self, archive: NeededArchive) -> None:
        url = archive.urls[0]
        self._archives[archive.component, url.rpartition("/")[2]] = archive
        offer = self._offer(archive.component, ARCHIVE, url.rpartition("/")[2], archive.version, where=url, checksum=archive.checksum)
        self._ask(offer, {"kind": "file", "url": url, "hash": False})

    def _image(self, image: NeededImage) -> None:
        registry, name, tag = split_image(image.image)
        url = f"{'http' if image.plain else 'https'}://{registry}" if registry else DOCKER_HUB
        self._ask(self._offer(image.component, IMAGE, image.image, image.version, where=url),
                  # Without its name here: that this machine happens to have it says nothing of the registry.
                  {"kind": "image", "url": url, "image": "", "name": name, "tag": tag, "ca": image.ca})

    def _offer(self, component: str, kind: str, name: str, version: str = "", **more: Any) -> Offer:
        entry = self._entry(component) or next((each for each in self._context.catalogue.entries if each.get("image") == name), None)
        known = {} if entry is None else {"licence": str(entry.get("licence")), "maintained": entry.maintained, "stand_in": entry.stand_in,
                                          "instead": str(entry.get("instead")), "made": str(entry.get("made"))}
        return Offer(component, kind, name, version, **{**known, **more})

    def _entry(self, component: str) -> Entry | None:
        return self._context.catalogue.wanted(component, self._context.cluster.variables)


def _nowhere(context: Context, needed: Needed, system: System) -> Iterator[Offer]:
    """What the inventory expects of a mirror or registry that it does not name."""
    for sentence in needed.nowhere:
        component, _, rest = sentence.partition(" ")
        entry = context.catalogue.wanted(component, context.cluster.variables)
        if entry:
            name = str(entry.get("image") if entry.kind == IMAGE else entry.get("package"))
            yield Offer(component, entry.kind, name, entry.version, "" if entry.kind == IMAGE else system.name, str(entry.get("licence")),
                        entry.maintained, "", MISSING, rest.partition(": ")[2].partition(":")[0], instead=str(entry.get("instead")),
                        made=str(entry.get("made")))


def servers_away(found: Sequence[Offer]) -> dict[str, str]:
    """The addresses that could not be reached, each server once, with what was said."""
    return {offer.where.split("/")[2] if "//" in offer.where else offer.where: offer.why for offer in found if offer.answer == UNREACHED}
