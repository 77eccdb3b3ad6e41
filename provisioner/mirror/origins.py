"""Where a system's packages come from: the vendors' repositories, and the distribution's own, as `--from` names them.

    deb [signed-by=FILE] http://SERVER/ubuntu noble main universe             one of apt's one-line sources
    rpm [key=URL fingerprint=HEX] http://SERVER/rocky/$releasever/…/os        the same for dnf, in the same manner

Options of `rpm`: `key` and `fingerprint` of what signs its packages; `repo_gpgcheck=1` where it signs the index, too; `gpgcheck=0` where
it does not sign packages; `system=rocky9` where it is for those hosts alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from provisioner.cluster.lock import System
from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.apt import own_sources
from provisioner.mirror.artefacts import Needed, NeededRepository
from provisioner.mirror.dnf import Dnf, Source
from provisioner.mirror.resolve import Apt, Resolver, manager
from provisioner.mirror.systems import CODENAMES
from provisioner.observe.preflight.sources import MANAGERS

_RPM = re.compile(r"rpm\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<url>https?://\S+)")
_EXAMPLE = "rpm [key=URL fingerprint=HEX] http://SERVER/rocky/$releasever/BaseOS/$basearch/os"
_OWN = "distribution-"
_Source = TypeVar("_Source")
_OPTIONS = ("key", "fingerprint", "gpgcheck", "repo_gpgcheck", "system")


def repositories(lines: Sequence[str]) -> tuple[NeededRepository, ...]:
    """Those of the lines that are dnf's, numbered. Raises UsageError for what is no source of either kind."""
    found: list[NeededRepository] = []
    for line in lines:
        if line.split()[:1] != ["deb"]:
            found.append(_repository(line, len(found) + 1))
    return tuple(found)


def _repository(line: str, number: int) -> NeededRepository:
    row = _RPM.fullmatch(line.strip())
    options = dict(word.partition("=")[::2] for word in (row["options"] or "").split()) if row else {}
    if row is None or (unknown := set(options) - set(_OPTIONS)):
        what = "this is no source of packages" if row is None else f"options of rpm are {', '.join(_OPTIONS)}, not {', '.join(unknown)}"
        raise UsageError(f"--from {line!r}: {what}", hint=f"write 'deb URL SUITE COMPONENT' or '{_EXAMPLE}'")
    signed = options.get("gpgcheck") != "0"
    indexed = options.get("repo_gpgcheck") == "1"
    if (signed or indexed) and not (options.get("key") and options.get("fingerprint")):
        raise UsageError(f"--from {line!r}: it does not say which key signs its packages",
                         hint=f"name it: {_EXAMPLE}; where they are not signed write [gpgcheck=0]")
    return NeededRepository(f"{_OWN}{number}", MANAGERS["RedHat"], row["url"], "", (), options.get("key", ""),
                            options.get("fingerprint", ""), signed, indexed, options.get("system", ""))


def resolver(system: System, wanted: Needed, trusted: Mapping[NeededRepository, Path], lines: Sequence[str],
             folder: Path) -> tuple[Resolver, dict[str, str]]:
    """What resolves the packages of a system by the sources that answer; and by name of the vendors whose do not, why.

    `trusted` says where the keys of repositories lie. Raises UsageError where there is no source of the distribution's packages, or no
    program; ProvisionError where no vendor's is to blame, or nothing would be left.
    """
    if manager(system) == MANAGERS["Debian"]:
        def apt(lines: Sequence[str], place: Path) -> Resolver:
            made = Apt(system, lines, place)
            made.update()
            return made

        return _reaching(apt, dict(_vendors(system, wanted, trusted)), _debian(system, wanted, lines), folder)

    def dnf(sources: Sequence[Source], place: Path) -> Resolver:
        made = Dnf(system, sources, place)
        made.update()
        return made

    every = {each.name: each for each in _yum(system, wanted, trusted)}
    vendors = {name: each for name, each in every.items() if not name.startswith(_OWN)}
    return _reaching(dnf, vendors, [each for name, each in every.items() if name not in vendors], folder)


def _reaching(make: Callable[[Sequence[_Source], Path], Resolver], vendors: Mapping[str, _Source], origins: Sequence[_Source],
                 folder: Path) -> tuple[Resolver, dict[str, str]]:
    try:
        return make([*vendors.values(), *origins], folder / "all"), {}
    except UsageError:
        raise
    except ProvisionError:
        away: dict[str, str] = {}
        for number, (name, source) in enumerate(vendors.items()):
            try:
                make([source], folder / str(number))
            except ProvisionError as error:
                away[name] = error.message
        rest = [*(source for name, source in vendors.items() if name not in away), *origins]
        if not away or not rest:
            raise
        return make(rest, folder / "rest"), away


def _vendors(system: System, wanted: Needed, trusted: Mapping[NeededRepository, Path]) -> Iterator[tuple[str, str]]:
    """The vendors' repositories, or the site's, whose keys are there: name and line."""
    for each in wanted.repositories:
        if each in trusted and each.manager == MANAGERS["Debian"]:
            uri, suite = _filled(each.uri, system), _filled(each.suite, system)
            yield each.name, f"deb [signed-by={trusted[each]}] {uri} {suite} {' '.join(each.components)}"


def _filled(text: str, system: System) -> str:
    return text.replace("{distribution}", system.distribution).replace("{codename}", system.codename)


def _debian(system: System, wanted: Needed, lines: Sequence[str]) -> tuple[str, ...]:
    """The lines of the distribution's own packages: those given for this release, else this machine's, unless the site has a mirror.

    Raises UsageError where there are none.
    """
    others = {name for name in CODENAMES.values() if name != system.codename}
    given = tuple(line for line in lines if line.split()[:1] == ["deb"]
                  and not any(word.partition("-")[0] in others for word in line.split()))
    if given or any(each.name == "site" for each in wanted.repositories):
        return given
    if system.distribution != "debian":
        raise UsageError(f"this machine's apt knows no source of packages of {system.name}",
                         hint=f"name one: --from 'deb [signed-by=KEYRING] http://SERVER/{system.distribution} {system.codename} main'")
    return own_sources(system.codename)


def _yum(system: System, wanted: Needed, trusted: Mapping[NeededRepository, Path]) -> Iterator[Source]:
    """The vendors' repositories, the site's, and those given: this machine's own are hardly of that system.

    Raises UsageError where none has the distribution's packages.
    """
    mine = [each for each in wanted.repositories if fits(each, system)]
    if not any(each.name == "site" or each.name.startswith(_OWN) for each in mine):
        raise UsageError(f"nobody told where the packages of {system.name} are", hint=f"name its repositories: --from '{_EXAMPLE}'")
    for each in mine:
        if each in trusted or not each.key_url:
            yield Source(each.name, _filled(each.uri, system), trusted.get(each), each.index_signed,
                         each.key_fingerprint.replace(" ", "").upper() if each.packages_signed else "")


def fits(repository: NeededRepository, system: System) -> bool:
    """Whether a repository is for a system: by its package manager, and by its name where it is for one alone."""
    return repository.manager == manager(system) and repository.system in ("", system.name.partition("/")[0], system.name)
