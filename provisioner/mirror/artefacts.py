"""What an inventory needs from outside: packages, archives, images, and the repositories with their keys.

It follows from what the roles are told, as preflight's questions do: there is no second list of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.context import Context
from provisioner.inventory.sources import without
from provisioner.mirror.systems import CODENAMES
from provisioner.observe.preflight.sources import MANAGERS, packages_of
from provisioner.observe.proof import test_image

#: The part of `verify`, which runs an image of its own.
VERIFY = "verify"


@dataclass(frozen=True)
class NeededPackage:
    """A package that the role of `component` asks for by name; `version` is '' where any will do."""

    component: str
    name: str
    version: str
    manager: str


@dataclass(frozen=True)
class NeededArchive:
    """A file. `urls`, which may name {arch}, are tried in order.

    `checksum` is a SHA-256, the address of a file of them, or `sha512:` and such an address.
    """

    component: str
    version: str
    urls: tuple[str, ...]
    checksum: str

    def on(self, architecture: str) -> NeededArchive:
        """The one for this architecture."""
        return replace(self, urls=tuple(url.replace("{arch}", architecture) for url in self.urls))


@dataclass(frozen=True)
class NeededImage:
    """An image by its full name, as `docker pull` takes it; `plain`: its registry speaks HTTP; `ca` is what signed its certificate."""

    component: str
    version: str
    image: str
    plain: bool = False
    ca: str = ""


@dataclass(frozen=True)
class NeededRepository:
    """An apt or yum repository (`manager`) with the key that signs it. `uri` and `suite` may name {distribution} and {codename}.

    With yum's either each package is signed, or the list of them, or both; `system` is that of the only hosts it is for.
    """

    name: str
    manager: str
    uri: str
    suite: str = ""
    components: tuple[str, ...] = ()
    key_url: str = ""
    key_fingerprint: str = ""
    packages_signed: bool = True
    index_signed: bool = False
    system: str = ""

    @property
    def key_name(self) -> str:
        """By what name its key is locked: vendors sign RPMs with another key than debs."""
        return self.name if self.manager == MANAGERS["Debian"] else f"{self.name}-rpm"


@dataclass(frozen=True)
class Needed:
    """All of it, each once. `nowhere` are sentences about what nobody is known to serve."""

    packages: tuple[NeededPackage, ...] = ()
    archives: tuple[NeededArchive, ...] = ()
    images: tuple[NeededImage, ...] = ()
    repositories: tuple[NeededRepository, ...] = ()
    nowhere: tuple[str, ...] = ()


def needed(context: Context, hosts: tuple[Host, ...] = (), release: str = "debian12") -> Needed:
    """What these hosts need, or all, on a release of a distribution such as `debian12`, whatever a lock says.

    Raises InventoryError for what rendering or the catalogue refuses.
    """
    packages: dict[NeededPackage, None] = {}
    archives: dict[NeededArchive, None] = {}
    images: dict[NeededImage, None] = {}
    repositories: dict[NeededRepository, None] = {}
    context = context.unlocked
    for host in hosts or context.cluster.hosts:
        variables = context.variables(host)
        packages |= dict.fromkeys(_packages(host, variables, release))
        archives |= dict.fromkeys(_archives(host, variables))
        images |= dict.fromkeys(_images(host, context, variables))
        repositories |= dict.fromkeys(_repositories(variables))
    return Needed(tuple(packages), tuple(archives), tuple(images), tuple(repositories), tuple(without(context.cluster, context.catalogue)))


def _packages(host: Host, variables: Mapping[str, Any], release: str) -> Iterator[NeededPackage]:
    family = "Debian" if release in CODENAMES else "RedHat"
    for component in COMPONENTS:
        if component.name in host.groups:
            yield from (NeededPackage(component.role, each.name, each.version, each.manager)
                        for each in packages_of(component, variables) if each.name)
            part = component.part("packages")
            names = part.further(variables, release, family) if part else ()
            yield from (NeededPackage(component.role, name, "", MANAGERS[family]) for name in names)


def _archives(host: Host, variables: Mapping[str, Any]) -> Iterator[NeededArchive]:
    for role in _roles("archive", host):
        url = str(variables.get(f"{role}_archive_url") or "")
        if url and variables.get(f"{role}_source") != "package":
            yield NeededArchive(role, str(variables.get(f"{role}_version") or ""), (url, *(variables.get(f"{role}_archive_others") or ())),
                                str(variables.get(f"{role}_archive_sha256") or ""))


def _images(host: Host, context: Context, variables: Mapping[str, Any]) -> Iterator[NeededImage]:
    named = [(role, str(variables[f"{role}_image"])) for role in _roles("image", host)]
    for role, image in [*named, (VERIFY, test_image(context.cluster))]:
        own = str(variables.get("docker_registry") or "")
        ours = bool(own) and image.startswith(f"{own}/")
        entry = context.catalogue.wanted(role, context.cluster.variables)
        yield NeededImage(role, entry.version if entry else image.rpartition(":")[2], image,
                          plain=ours and bool(variables.get("docker_registry_insecure")),
                          ca=str(variables.get("docker_registry_ca") or "") if ours else "")


def _repositories(variables: Mapping[str, Any]) -> Iterator[NeededRepository]:
    apt, yum = MANAGERS["Debian"], MANAGERS["RedHat"]
    for each in variables.get("repos_apt", []):
        yield NeededRepository(each["name"], apt, each["uri"], each["suite"], tuple(each["components"]), *_key(each))
    for each in variables.get("repos_yum", []):
        yield NeededRepository(each["name"], yum, each["baseurl"], "", (), *_key(each),
                               bool(each.get("gpgcheck", True)), bool(each.get("repo_gpgcheck")))


def _key(repository: Mapping[str, Any]) -> tuple[str, str]:
    return str(repository.get("key_url") or ""), str(repository.get("key_fingerprint") or "")


def _roles(artefact: str, host: Host) -> list[str]:
    """The roles of a host's components that install such an artefact."""
    return list(dict.fromkeys(c.role for c in COMPONENTS if c.artefact == artefact and c.name in host.groups))
