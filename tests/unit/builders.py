"""What offline tests are about, built in one place: hosts and clusters, what is rendered of them, what probes answer, inventories as text.

    cluster()                                        three masters and two agents, in all groups that the loader would give them
    cluster(*masters(5), *agents(1), path=file)      others, with an inventory that is somewhere
    cluster(*hosts("m1", "m2", groups=("zookeeper",)), cluster_mirror=URL)
    observed(cluster(), {"m1": {"zookeeper": {"state": "ok"}}}, away=("a1",))
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS
from provisioner.errors import InventoryError
from provisioner.inventory.load import load
from provisioner.inventory.schema import Schema, Variable, load_schema
from provisioner.observe.observation import HostObservation, Observation
from provisioner.observe.preflight.report import Seen

NOWHERE = Path("/nowhere/inventory.yml")
_EVERYWHERE = frozenset(c.name for c in COMPONENTS if c.shorthand == "all")
#: The groups of a host by which of the shorthands it is written.
MASTER = _EVERYWHERE | {"masters", "consul_server", "logstash_server", *(c.name for c in COMPONENTS if c.shorthand == "masters")}
AGENT = _EVERYWHERE | {"agents", *(c.name for c in COMPONENTS if c.shorthand == "agents")}

Health = Mapping[str, Mapping[str, Mapping[str, object]]]


# --- clusters -------------------------------------------------------------------------------------------------------


def hosts(*names: str, groups: Iterable[str] = (), **more: Any) -> tuple[Host, ...]:
    """Hosts of these names, all in the same groups; m2 is 192.0.2.12 and a2 192.0.2.102, as in a lab."""
    return tuple(Host(name, _address(name), groups=frozenset(groups), **more) for name in names)


def masters(count: int = 3, groups: Iterable[str] = MASTER) -> tuple[Host, ...]:
    """m1 and so on."""
    return hosts(*(f"m{n}" for n in range(1, count + 1)), groups=groups)


def agents(count: int = 2, groups: Iterable[str] = AGENT) -> tuple[Host, ...]:
    """a1 and so on."""
    return hosts(*(f"a{n}" for n in range(1, count + 1)), groups=groups)


def cluster(*of: Host, path: Path = NOWHERE, **variables: object) -> Cluster:
    """A cluster of these hosts; of three masters and two agents when none is given."""
    return Cluster("test", path, of or (*masters(), *agents()), variables)


def reachable(folder: Path, *names: str, groups: Iterable[str] = (), variables: Mapping[str, Any] | None = None,
              **settings: object) -> Cluster:
    """A cluster of hosts 10.0.0.1, 10.0.0.2 … that `deploy` logs in to, as lines 1, 2 … of an inventory in `folder` say."""
    found = tuple(Host(name, f"10.0.0.{number}", 22, "deploy", frozenset(groups), dict(variables or {}), f"inventory.yml:{number}")
                  for number, name in enumerate(names, 1))
    return Cluster("test", folder / "inventory.yml", found, settings)


def rendered(of: Cluster, own: Callable[[Host], Mapping[str, Any]] = lambda host: {}, **shared: Any) -> dict[str, Any]:
    """A rendered inventory with these variables: `own` of each host, and `shared` by all."""
    return {"all": {"vars": shared, "hosts": {host.name: dict(own(host)) for host in of.hosts}}}


def as_voter(host: Host) -> dict[str, Any]:
    """What a plan reads of a rendered host; m2 votes as 2."""
    return {"zookeeper_id": int(host.name[1:]), "zookeeper_address": host.address} if "zookeeper" in host.groups else {}


def observed(of: Cluster, health: Health | None = None, away: Iterable[str] = ()) -> Observation:
    """An observation in which all hosts but those that are `away` answered with this health, by host and component."""
    answers = {host: {name: dict(one) for name, one in own.items()} for host, own in (health or {}).items()}
    return Observation({host.name: HostObservation(host.name not in away, health=answers.get(host.name, {})) for host in of.hosts})


def _address(name: str) -> str:
    first = {"m": 10, "a": 100}.get(name[0], 0)
    return f"192.0.2.{first + int(name[1:])}" if first and name[1:].isdigit() else "192.0.2.1"


# --- what a healthy Debian 12 host answers, for tests that change one thing of it -----------------------------------------

_DISKS = ("/opt", "/usr", "/var", "/var/lib/consul", "/var/lib/docker", "/var/lib/logstash", "/var/lib/mesos", "/var/lib/zookeeper")
_DISK = {"device": 1, "size_mb": 100_000, "free_mb": 80_000, "inodes": 6_000_000, "free_inodes": 5_000_000, "read_only": False,
         "noexec": False}


def facts(**changes: Any) -> dict[str, Any]:
    """The probe's facts."""
    found = {
        "hostname": "m1", "fqdn": "m1.example.org", "addresses": ["10.0.0.1", "172.17.0.1"],
        "default_route": {"interface": "eth0", "gateway": "10.0.0.254", "address": "10.0.0.1"},
        "cluster": "", "machine_id": "0123456789abcdef0123456789abcdef", "boot_id": "72b11941-d8e8-4da3-a3dd-2e32b980c85b",
        "time": 1_700_000_000.0,
        "python": {"version": [3, 11, 2], "executable": "/usr/bin/python3"}, "kernel": "6.1.0-18-amd64", "arch": "x86_64", "cpus": 4,
        "mem_mb": 16_000, "mem_available_mb": 15_000, "swap_mb": 0, "init": "systemd",
        "os": {"id": "debian", "version": "12", "codename": "bookworm", "pretty": "Debian GNU/Linux 12 (bookworm)",
               "name": "Debian GNU/Linux", "like": []},
        "virtualization": "kvm", "cgroup": {"layout": "v2", "elsewhere": [], "v1": []}, "selinux": "disabled", "package_manager": "apt",
    }
    return {**found, **changes}


def found(**changes: Any) -> dict[str, Any]:
    """The probe's preflight section."""
    answer: dict[str, Any] = {
        "disks": [{"path": path, **_DISK} for path in _DISKS], "listeners": [],
        "links": {"routes": [{"interface": "eth0", "network": "10.0.0.0/24"}], "mtus": [{"interface": "eth0", "mtu": 1500}], "peers": []},
        "name": {"name": "m1", "addresses": ["10.0.0.1"], "error": ""}, "packages": {"locks": [], "interrupted": ""},
        "docker": {"version": "", "error": "no such file", "networks": []}, "clock_synchronised": True,
        "capabilities": {"overlayfs": "", "vxlan": "", "br_netfilter": ""}, "sources": [],
        "others": [], "texts": [],
    }
    return {**answer, **changes}


def seen(*components: str, host: str = "m1", variables: dict[str, Any] | None = None, facts: dict[str, Any] | None = None,
         ahead: tuple[float, float] = (-0.1, 0.1), neighbours: dict[str, str] | None = None, **found_changes: Any) -> Seen:
    """A host as the rules of preflight see it."""
    own = copy.deepcopy({**globals()["facts"](), **(facts or {})})
    known = {**load_schema().all_defaults(), "common_address": "10.0.0.1", "docker_address": "10.0.0.1", **(variables or {})}
    return Seen(host, frozenset(components), known, own, found(**found_changes), {}, ahead, neighbours=neighbours or {})


# --- inventories as text, and a schema that does not depend on the roles --------------------------------------------------

_ROLE_VARIABLES = (
    Variable("consul_domain", "str", "Domain.", "consul", role="consul"),
    Variable("consul_servers", "list", "Internal, rendered by the driver. Addresses.", role="consul", rendered=True),
    Variable("docker_daemon_options", "dict", "More options.", {}, role="docker"),
    Variable("docker_overlay", "str", "Network.", "none", ("none", "swarm", "cluster_store"), role="docker"),
    Variable("docker_overlay_subnet", "str", "Addresses.", "10.32.0.0/16", role="docker"),
    Variable("dns_upstream", "list", "Name servers.", [], elements="str", role="dns"),
    Variable("kernel_upgrade", "bool", "Whether to upgrade.", False, role="kernel"),
    Variable("marathon_port", "int", "Port of Marathon.", 8080, role="marathon"),
    Variable("mesos_agent_resources", "str", "What the agent offers.", "", role="mesos"),
    Variable("mesos_master_port", "int", "Port of the master.", 5050, role="mesos"),
    Variable("zookeeper_heap_mb", "int", "Heap in MB.", 512, role="zookeeper"),
    Variable("zookeeper_tick_factor", "float", "Factor.", 1.0, role="zookeeper"),
)
SCHEMA = Schema({**load_schema(Path("/nonexistent")).variables, **{v.name: v for v in _ROLE_VARIABLES}})

THREE = "masters:\n  hosts:\n    m[1:3]:\n"


def load_text(directory: Path, text: str | bytes) -> Cluster:
    """The cluster of an inventory with this content."""
    path = directory / "inventory.yml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(path, SCHEMA)


def refusal(directory: Path, text: str | bytes) -> str:
    """The error that an inventory with this content gives, its directory cut off."""
    with pytest.raises(InventoryError) as caught:
        load_text(directory, text)
    return str(caught.value).replace(f"{directory}/", "")
