"""Which ports each component needs, and whether somebody else has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.components import COMPONENTS
from provisioner.observe.preflight.report import Finding, Seen

LOOPBACK = "127.0.0.1"
WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
UNITS = {c.name: c.unit for c in COMPONENTS}


@dataclass(frozen=True)
class Port:
    """A port that a component opens. `address` is empty where it opens it on all or where that depends on settings."""

    component: str
    port: int
    protocol: str = "tcp"
    address: str = ""

    @property
    def unit(self) -> str:
        """The unit that opens it."""
        return UNITS[self.component]


#: By component or server group: component, variable with the port ('' = it is fixed), port, protocols, address.
_TABLE: Mapping[str, tuple[tuple[str, str, int, tuple[str, ...], str], ...]] = {
    "zookeeper": (("zookeeper", "zookeeper_client_port", 2181, ("tcp",), ""), ("zookeeper", "zookeeper_peer_port", 2888, ("tcp",), ""),
                  ("zookeeper", "zookeeper_election_port", 3888, ("tcp",), "")),
    "mesos_master": (("mesos_master", "mesos_master_port", 5050, ("tcp",), ""),),
    "mesos_agent": (("mesos_agent", "mesos_agent_port", 5051, ("tcp",), ""),),
    "marathon": (("marathon", "marathon_port", 8080, ("tcp",), ""), ("marathon", "marathon_libprocess_port", 15101, ("tcp",), "")),
    "chronos": (("chronos", "chronos_port", 4400, ("tcp",), ""), ("chronos", "chronos_libprocess_port", 15202, ("tcp",), "")),
    "consul": (("consul", "", 8301, ("tcp", "udp"), ""), ("consul", "", 8500, ("tcp",), LOOPBACK),
               ("consul", "", 8600, ("tcp", "udp"), LOOPBACK)),
    "consul_server": (("consul", "", 8300, ("tcp",), ""), ("consul", "", 8302, ("tcp", "udp"), "")),
    "dns": (("dns", "", 53, ("tcp", "udp"), LOOPBACK),),
    "logstash_server": (("logstash", "logstash_port", 5140, ("tcp", "udp"), ""),
                        ("logstash", "logstash_api_port", 9600, ("tcp",), LOOPBACK)),
}
_SWARM = (("docker", "", 2377, ("tcp",), ""), ("docker", "", 7946, ("tcp", "udp"), ""), ("docker", "", 4789, ("udp",), ""))


def needed_ports(components: frozenset[str], variables: Mapping[str, Any]) -> list[Port]:
    """The ports that a host's components open."""
    rows = [row for name, rows in _TABLE.items() if name in components for row in rows]
    if "docker" in components and variables.get("docker_probe", {}).get("overlay") == "swarm":
        rows += _SWARM
    found = [Port(component, int(variables.get(name, default)), protocol, address)
             for component, name, default, protocols, address in rows for protocol in protocols]
    if "dns" in components:
        found += [Port("dns", 53, protocol, str(variables.get("dns_address", ""))) for protocol in ("tcp", "udp")]
    return found


def free_ports(seen: Seen) -> Iterator[Finding]:
    """Every needed port is free, or the component that is to have it has it already."""
    needed, told = needed_ports(seen.components, seen.variables), set()
    for need in needed:
        for listener in seen.found["listeners"]:
            if not _in_the_way(need, listener):
                continue
            place = f"{listener['address']}:{need.port}/{need.protocol}"
            if (need.component, place) not in told:
                told.add((need.component, place))
                yield seen.fail("ports", f"{need.component} needs port {need.port}/{need.protocol}, but {_owner(listener)} listens on it",
                                _advice(listener, need))
    if not told:
        yield seen.ok("ports", f"{len(needed)} ports are free or in the right hands")


def _in_the_way(need: Port, listener: Mapping[str, Any]) -> bool:
    if (listener["protocol"], listener["port"]) != (need.protocol, need.port):
        return False
    own = listener["unit"] == f"{need.unit}.service" or listener["container"] == need.component
    kernel = not listener["pid"] and need.component == "docker"  # the kernel's own socket of a VXLAN link
    apart = need.address and listener["address"] not in (need.address, *WILDCARDS)
    return not (own or kernel or apart)


def _owner(listener: Mapping[str, Any]) -> str:
    if listener["container"]:
        return f"the container {listener['container']}"
    if not listener["pid"]:
        return "the kernel"
    unit = f" of {listener['unit']}" if listener["unit"] else ""
    return f"{listener['command']} (process {listener['pid']}{unit})"


def _advice(listener: Mapping[str, Any], need: Port) -> str:
    if listener["container"]:
        return f"docker stop {listener['container']}"
    if listener["unit"]:
        return f"systemctl disable --now {listener['unit']}, or give {need.component} another port"
    return f"end process {listener['pid']}, or give {need.component} another port"


RULES = (free_ports,)
