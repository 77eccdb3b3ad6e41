"""The operating systems a lab host can have, and where this machine gets their packages from."""

from __future__ import annotations

import os
from dataclasses import dataclass

from provisioner.errors import UsageError
from provisioner_lab.commands import run


@dataclass(frozen=True)
class System:
    """An operating system of lab hosts.

    `codename` is the Debian release that it is made of, `java` the runtime in it that ZooKeeper runs on. A host of another
    `family` than Debian has that family's package manager and release files. `further` packages are what the roles install on
    this release only.
    """

    name: str
    codename: str
    java: str
    family: str = "Debian"
    further: tuple[str, ...] = ()

    @property
    def red_hat(self) -> bool:
        """Do its hosts install RPMs?"""
        return self.family == "RedHat"


SYSTEMS: tuple[System, ...] = (
    System("debian11", "bullseye", "openjdk-17-jre-headless"),
    System("debian12", "bookworm", "openjdk-17-jre-headless"),
    System("debian13", "trixie", "openjdk-21-jre-headless", further=("docker-cli",)),
    System("rocky9", "bookworm", "openjdk-17-jre-headless", family="RedHat"),
)

DEFAULT_SYSTEM = "debian12"
#: What the mirror and the stand-in images are made of, whatever the nodes run.
SERVICE_SYSTEM = SYSTEMS[1]


def system(name: str) -> System:
    """The operating system of that name. Raises UsageError that lists the valid names."""
    for candidate in SYSTEMS:
        if candidate.name == name:
            return candidate
    raise UsageError(f"a lab can't be made of {name!r}", hint="choose one of " + ", ".join(s.name for s in SYSTEMS))


def architecture() -> str:
    """This machine's architecture, as Debian, Docker and HashiCorp all call it: amd64, arm64."""
    return run(["dpkg", "--print-architecture"], what="architecture of this machine").strip()


def sources(codename: str) -> tuple[str, ...]:
    """One-line package sources of a Debian release, from the same places that this machine's own apt uses.

    Raises UsageError when this machine has no Debian source.
    """
    targets = _targets()
    if not targets and os.geteuid() == 0:
        run(["apt-get", "update"], what="package lists of this machine", timeout=600)
        targets = _targets()
    found = source_lines(targets, codename)
    if not found:
        raise UsageError("this machine's apt knows no source of Debian packages",
                         hint="add one under /etc/apt/sources.list.d and run apt-get update")
    return found


def source_lines(targets: list[tuple[str, str, str]], codename: str) -> tuple[str, ...]:
    """The same, from (URI, origin, codename) of what apt knows. Update and security suites are used where this machine uses them."""
    lines: list[str] = []
    for uri, origin, seen in targets:
        if origin != "Debian":
            continue
        _, dash, kind = seen.partition("-")
        line = f"deb {uri.rstrip('/')} {codename}{dash}{kind} main"
        if kind in ("", "updates", "security") and line not in lines:
            lines.append(line)
    return tuple(sorted(lines, key=lambda line: len(line.split()[2])))


def _targets() -> list[tuple[str, str, str]]:
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(CODENAME)", "Created-By: Packages"]
    text = run(command, what="package sources of this machine")
    rows = [tuple(line.split("|")) for line in text.splitlines() if line.count("|") == 2]
    return [(row[0], row[1], row[2]) for row in rows]
