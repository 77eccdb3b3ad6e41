"""The operating systems a lab host can have, and where this machine gets their packages from."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.errors import UsageError
from provisioner.mirror.programs import run


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
