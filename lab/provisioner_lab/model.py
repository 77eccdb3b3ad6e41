"""The nouns of a lab: its name, its folder, its network, its nodes. Nothing here touches the world."""

from __future__ import annotations

import ipaddress
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import UsageError

DEFAULT_NAME = "default"
#: The range reserved for benchmarks (RFC 2544): no real network uses it.
LAB_RANGE = ipaddress.IPv4Network("198.18.0.0/15")

LABEL_LAB = "provisioner.lab"
LABEL_NODE = "provisioner.lab.node"
LABEL_DIRECTORY = "provisioner.lab.directory"
LABEL_SYSTEM = "provisioner.lab.os"
LABEL_SIZE = "provisioner.lab.size"
LABEL_BACKEND = "provisioner.lab.backend"
LABEL_ORIGIN = "provisioner.lab.origin"
LABEL_CONTENT = "provisioner.lab.content"

MIRROR, VENDORS = "mirror", "vendors"
#: What serves the hosts of a lab and is none of them.
SERVICES = (MIRROR, VENDORS)
#: Who makes and starts the hosts: the engine asked directly, or Vagrant with its Docker provider.
DOCKER, VAGRANT = "docker", "vagrant"
BACKENDS = (DOCKER, VAGRANT)
_GATEWAY, _MIRROR, _VENDORS, _FIRST_MASTER, _FIRST_AGENT = 1, 2, 3, 11, 101
MOST_MASTERS, MOST_AGENTS = _FIRST_AGENT - _FIRST_MASTER, 255 - _FIRST_AGENT

_NAME = re.compile(r"[a-z][a-z0-9]{0,19}(-[a-z0-9]{1,19})?")
_NODE = re.compile(r"([ma])([1-9][0-9]{0,2})")


@dataclass(frozen=True)
class LabNode:
    """One host of a lab: `m1` … are masters, `a1` … agents; the address follows from the name."""

    name: str
    address: str

    @property
    def group(self) -> str:
        """The inventory group it belongs to."""
        return "masters" if self.name.startswith("m") else "agents"


@dataclass(frozen=True)
class Lab:
    """A lab on this machine. `directory` is the folder whose `.provision/labs/<name>` holds its inventory and keys.

    `origin` is the name of the lab whose cluster runs in it; another one than its own only where it is a copy.
    """

    name: str
    directory: Path
    system: str
    subnet: ipaddress.IPv4Network
    backend: str = DOCKER
    origin: str = ""

    @property
    def home(self) -> Path:
        """Everything that belongs to this lab on disk."""
        return _home(self.name, self.directory)

    @property
    def inventory(self) -> Path:
        """The lab's inventory file."""
        return self.home / "inventory.yml"

    @property
    def key(self) -> Path:
        """The private SSH key that opens its nodes."""
        return self.home / "id_ed25519"

    @property
    def vagrant(self) -> Path:
        """The folder of the Vagrantfile and of what Vagrant keeps, in a lab of that backend."""
        return self.home / "vagrant"

    @property
    def artifacts_note(self) -> Path:
        """Names the folder of real artefacts, when the lab was made with one."""
        return self.home / "artifacts"

    @property
    def cluster(self) -> str:
        """The name of the cluster in the inventory."""
        return f"lab-{self.origin or self.name}"

    @property
    def cluster_state(self) -> Path:
        """Where the driver keeps what it knows about the cluster."""
        return self.home / ".provision" / self.cluster

    @property
    def network(self) -> str:
        """The name of the lab's Docker network."""
        return f"provisioner-lab-{self.name}"

    @property
    def gateway(self) -> str:
        """This machine, as the nodes see it."""
        return str(self.subnet[_GATEWAY])

    @property
    def mirror(self) -> str:
        """The mirror's address."""
        return str(self.subnet[_MIRROR])

    @property
    def vendors(self) -> str:
        """The address under which the vendors are played, in a lab that has them."""
        return str(self.subnet[_VENDORS])

    @property
    def vendors_folder(self) -> Path:
        """The folder of their authority and of the faults that they are asked for."""
        return self.home / "vendors"

    @property
    def members(self) -> str:
        """Where its hosts are, first and last address."""
        return f"{self.subnet[_FIRST_MASTER]}-{self.subnet[-2]}"

    def node(self, name: str) -> LabNode:
        """The node of that name. Raises UsageError when it can't be one of a lab."""
        found = _NODE.fullmatch(name)
        if found is None or int(found[2]) > (MOST_MASTERS if found[1] == "m" else MOST_AGENTS):
            raise UsageError(f"{name!r} can't be a host of a lab", hint="hosts are called m1, m2 … (masters) and a1, a2 … (agents)")
        first = _FIRST_MASTER if found[1] == "m" else _FIRST_AGENT
        return LabNode(name, str(self.subnet[first + int(found[2]) - 1]))

    def container(self, node: str) -> str:
        """The name of a host's container."""
        return f"{self.name}-{node}"

    def volume(self, node: str) -> str:
        """The name of the volume under a host's /var/lib/docker."""
        return f"{self.name}-{node}-docker"


def check_name(name: str) -> str:
    """The name of a lab, if it can be one. Raises UsageError."""
    if not is_name(name):
        raise UsageError(f"{name!r} can't be the name of a lab",
                         hint="use up to 20 small letters and digits, first a letter, with one '-' at most")
    return name


def check_backend(backend: str) -> str:
    """The backend of that name. Raises UsageError that lists them."""
    if backend not in BACKENDS:
        raise UsageError(f"there is no backend {backend!r}", hint="choose one of " + ", ".join(BACKENDS))
    return backend


def is_name(text: str) -> bool:
    """Neither Docker nor a path chokes on it."""
    return _NAME.fullmatch(text) is not None


def own_name(purpose: str, directory: Path) -> str:
    """The name of a folder's lab for a purpose: another folder on the same machine, or what a run in it left, is not in the way."""
    return f"{purpose}-{zlib.crc32(bytes(directory)):08x}"


def default_inventory(name: str = DEFAULT_NAME, directory: Path | None = None) -> Path:
    """Where the inventory of a lab lies, as an absolute path, whether the lab exists or not. Raises UsageError for a bad name."""
    return _home(check_name(name), (directory or Path.cwd()).resolve()) / "inventory.yml"


def _home(name: str, directory: Path) -> Path:
    return directory / ".provision" / "labs" / name


def node_names(masters: int, agents: int) -> tuple[str, ...]:
    """m1 … mN, a1 … aN. Raises UsageError for numbers that a lab can't hold."""
    if not 1 <= masters <= MOST_MASTERS or not 0 <= agents <= MOST_AGENTS:
        raise UsageError(
            f"a lab can't have {masters} masters and {agents} agents",
            hint=f"masters: 1 to {MOST_MASTERS}, agents: 0 to {MOST_AGENTS}",
        )
    return tuple(f"m{i}" for i in range(1, masters + 1)) + tuple(f"a{i}" for i in range(1, agents + 1))


def free_subnet(taken: list[ipaddress.IPv4Network]) -> ipaddress.IPv4Network:
    """The first /24 of the lab range that overlaps none of `taken`. Raises UsageError when all are in use."""
    for candidate in LAB_RANGE.subnets(new_prefix=24):
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise UsageError(f"no free network is left in {LAB_RANGE}", hint="remove labs that are not needed: lab list, lab down --name …")


def node_order(name: str) -> tuple[int, int]:
    """Sorts names of hosts: masters, agents, then what serves them."""
    found = _NODE.fullmatch(name)
    return ("ma".index(found[1]), int(found[2])) if found else (2, SERVICES.index(name) if name in SERVICES else len(SERVICES))
