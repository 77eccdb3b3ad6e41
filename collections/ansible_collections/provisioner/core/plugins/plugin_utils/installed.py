"""What a host says of packages, in one cheap command: is what a role wants there, or could it be installed?

To find that nothing is to be done, Ansible's own modules take a third of a second (apt) or more (dnf) of a host's processor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch

#: They only read. Packages that dpkg or apt do not know are errors to them, and missing in the answer; of RPMs it names all or none.
COMMAND = {
    "apt": "export LC_ALL=C; dpkg-query -W -f 'dpkg ${{Package}} ${{db:Status-Want}} ${{db:Status-Status}} ${{Version}}\\n' {names}; "
           "apt-mark showauto {names} | sed 's/^/auto /'; apt-cache policy {names}; true",
    "dnf": "rpm -q {names} >/dev/null 2>&1 && printf 'rpm %s\\n' {names}; true",
}
#: A plain name, and the version with its wildcards where one is wanted; of an RPM all of it without any.
WANTED = {"apt": re.compile(r"([a-z0-9][a-z0-9+.-]*)(?:=(\S+))?"), "dnf": re.compile(r"(\w[\w+.~-]*)")}
_NAME = re.compile(r"(\S+):")
_VERSION = re.compile(r" (?:\*\*\*|   ) (\S+) -?\d+(?: \(.*\))?")


@dataclass
class Package:
    """`installed` is its version, where all of it is. `automatic`: it only came along with another. `versions`: those that apt knows, the
    newest first; `candidate` the one that apt would install, '' for none.
    """

    installed: str = ""
    held: bool = False
    automatic: bool = False
    candidate: str = ""
    versions: list[str] = field(default_factory=list)


class Packages:
    """Those that one manager was asked for, by name."""

    def __init__(self, manager: str, said: str = "") -> None:
        self._wanted, self._found = WANTED[manager], _read(said.splitlines())

    def there(self, wanted: str) -> bool:
        """Whether Ansible's module would do nothing: it is installed for its own sake, in the newest of the versions that are wanted."""
        package, version = self._of(wanted)
        if not package.installed or package.automatic:
            return False
        return not version or next((each for each in package.versions if fnmatch(each, version)), "") == package.installed

    def offered(self, wanted: str) -> bool:
        """Whether apt can install it by the lists that it has."""
        package, version = self._of(wanted)
        return any(fnmatch(each, version) for each in package.versions) if version else bool(package.candidate)

    def held(self, names: Iterable[str]) -> bool:
        """Whether other upgrades touch none of them."""
        return all(self._of(name)[0].held for name in names)

    def _of(self, wanted: str) -> tuple[Package, str]:
        found = self._wanted.fullmatch(wanted)
        name, version = (*found.groups(default=""), "")[:2] if found else ("", "")
        return self._found.get(name, Package()), version


def exact(wanted: Iterable[str], locked: Mapping[str, str]) -> list[str]:
    """The same packages for apt, those that are locked in just that version."""
    names = [(each, each.partition("=")[0]) for each in wanted]
    return [f"{name}={locked[name]}" if name in locked else each for each, name in names]


def look(manager: str, wanted: Sequence[str], quote: Callable[[str], str]) -> str:
    """The command that asks for them; '' where one is no plain name."""
    found = [WANTED[manager].fullmatch(each) for each in wanted]
    return COMMAND[manager].format(names=" ".join(quote(each[1]) for each in found if each)) if all(found) else ""


def _read(lines: Iterable[str]) -> Mapping[str, Package]:
    packages: dict[str, Package] = {}
    about = Package()
    for line in lines:
        word, *rest = line.split() or [""]
        if word == "dpkg" and len(rest) == 4:
            name, want, status, version = rest
            # With one line for each architecture all of them count.
            whole = status == "installed" and (name not in packages or packages[name].installed == version)
            packages[name] = Package(version if whole else "", want == "hold")
        elif word == "rpm" and rest:
            packages[rest[0]] = Package(installed="some")
        elif word == "auto" and rest:
            packages.setdefault(rest[0].partition(":")[0], Package()).automatic = True
        elif found := _NAME.fullmatch(line):
            about = packages.setdefault(found[1].partition(":")[0], Package())
        elif word == "Candidate:" and rest != ["(none)"]:
            about.candidate = rest[0]
        elif found := _VERSION.fullmatch(line):
            about.versions.append(found[1])
    return packages
