"""Which ports each component needs, and whether somebody else has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS, component
from provisioner.observe.preflight.report import Finding, Seen

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True)
class Needed:
    """A port that a component opens on this host. `address` is empty where it opens it on all or where that depends on settings."""

    component: str
    port: int
    protocol: str = "tcp"
    address: str = ""
    by_kernel: bool = False
    by: str = ""

    @property
    def unit(self) -> str:
        """The unit that opens it."""
        return self.by or component(self.component).unit


def needed_ports(groups: frozenset[str], variables: Mapping[str, Any]) -> list[Needed]:
    """The ports that the components of a host in these groups open themselves."""
    access = "closed" if variables.get("common_authority") else "open"
    return [Needed(c.name, port.on(variables), protocol, port.address.format_map(defaultdict(str, variables)), port.by_kernel,
                   port.unit)
            for c in COMPONENTS if c.name in groups for port in c.ports
            if not port.ranges and port.opened_by(groups, variables, access) for protocol in port.protocols]


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
        yield seen.ok("ports", counted(len(needed), "port is free or in the right hands", "ports are free or in the right hands"))


def _in_the_way(need: Needed, listener: Mapping[str, Any]) -> bool:
    if (listener["protocol"], listener["port"]) != (need.protocol, need.port):
        return False
    own = listener["unit"] == f"{need.unit}.service" or listener["container"] == need.component
    kernel = not listener["pid"] and need.by_kernel
    apart = need.address and listener["address"] not in (need.address, *WILDCARDS)
    return not (own or kernel or apart)


def _owner(listener: Mapping[str, Any]) -> str:
    if listener["container"]:
        return f"the container {listener['container']}"
    if not listener["pid"]:
        return "the kernel"
    unit = f" of {listener['unit']}" if listener["unit"] else ""
    return f"{listener['command']} (process {listener['pid']}{unit})"


def _advice(listener: Mapping[str, Any], need: Needed) -> str:
    if listener["container"]:
        return f"docker stop {listener['container']}"
    if listener["unit"]:
        return f"systemctl disable --now {listener['unit']}, or give {need.component} another port"
    return f"end process {listener['pid']}, or give {need.component} another port"


RULES = (free_ports,)
