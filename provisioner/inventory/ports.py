"""Which TCP ports the components of one host take, and which two of them want the same one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from provisioner.cluster.model import Host

#: Host → variable → the line it was written on; under OWN_LINE the line that names the host.
Lines = Mapping[str, Mapping[str, int]]
OWN_LINE = ""
#: What a Mesos agent offers to tasks unless told otherwise (Mesos documentation, "attributes and resources").
TASK_PORTS = (31000, 32000)
_PAIR = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")

# Group → (what listens, the variable that holds its port, the port where nobody sets it). No variable: a fixed port.
_LISTENERS: Mapping[str, tuple[tuple[str, str, int], ...]] = {
    "consul": (("Consul's gossip", "", 8301), ("Consul's API", "", 8500), ("Consul's DNS", "", 8600)),
    "consul_server": (("a Consul server", "", 8300), ("Consul's gossip between sites", "", 8302)),
    "dns": (("dnsmasq", "", 53),),
    "zookeeper": (
        ("ZooKeeper", "zookeeper_client_port", 2181),
        ("ZooKeeper's peers", "zookeeper_peer_port", 2888),
        ("ZooKeeper's election", "zookeeper_election_port", 3888),
    ),
    "mesos_master": (("the Mesos master", "mesos_master_port", 5050),),
    "mesos_agent": (("the Mesos agent", "mesos_agent_port", 5051),),
    "marathon": (("Marathon", "marathon_port", 8080), ("Marathon's libprocess", "marathon_libprocess_port", 15101)),
    "chronos": (("Chronos", "chronos_port", 4400), ("Chronos's libprocess", "chronos_libprocess_port", 15202)),
    "logstash_server": (("Logstash", "logstash_port", 5140), ("Logstash's API", "logstash_api_port", 9600)),
}
_SWARM = (("Docker swarm's managers", "", 2377), ("Docker swarm's gossip", "", 7946))


@dataclass(frozen=True, order=True)
class Claim:
    """Ports `first` to `last` belong to `owner`, because of `variable` (empty: fixed)."""

    first: int
    last: int
    owner: str
    variable: str

    @property
    def text(self) -> str:
        """Who wants what."""
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.owner} ({f'{self.variable}: ' if self.variable else ''}{ports})"


def clashes(host: Host, defaults: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """The line and description of every two claims of one host that overlap. `defaults`: the roles' default values."""
    try:
        claims = sorted(_claims(host, defaults))
    except ValueError as error:
        yield lines.get("mesos_agent_resources", lines[OWN_LINE]), f"mesos_agent_resources {error}"
        return
    widest = claims[0]
    for before, claim in pairwise(claims):
        widest = max(widest, before, key=lambda c: c.last)
        if claim.first <= widest.last:
            line = max(lines.get(widest.variable, 0), lines.get(claim.variable, 0)) or lines[OWN_LINE]
            yield line, f"{widest.text} and {claim.text} overlap"


def _claims(host: Host, defaults: Mapping[str, Any]) -> Iterator[Claim]:
    def port(variable: str, fallback: int) -> int:
        value = host.variables.get(variable, defaults.get(variable, fallback)) if variable else fallback
        return value if isinstance(value, int) else fallback

    # Behind address translation sshd listens elsewhere than where we connect.
    direct = host.address == host.cluster_address
    yield Claim(host.port, host.port, "sshd", "ansible_port") if direct else Claim(22, 22, "sshd", "")
    for group in host.groups & _LISTENERS.keys():
        for owner, variable, fallback in _LISTENERS[group]:
            number = port(variable, fallback)
            yield Claim(number, number, owner, variable)
    if host.variables.get("docker_overlay", defaults.get("docker_overlay")) == "swarm":
        for owner, variable, fallback in _SWARM:
            yield Claim(fallback, fallback, owner, variable)
    if "mesos_agent" in host.groups:
        resources = str(host.variables.get("mesos_agent_resources", defaults.get("mesos_agent_resources", "")))
        for first, last in task_ports(resources):
            yield Claim(first, last, "tasks of the Mesos agent", "mesos_agent_resources")


def task_ports(resources: str) -> list[tuple[int, int]]:
    """The port ranges in an agent's `--resources`, as text or as JSON. Raises ValueError for what is neither."""
    found = _json_ports(resources) if resources.lstrip().startswith("[") else _text_ports(resources)
    for first, last in found:
        if not 1 <= first <= last <= 65535:
            raise ValueError(f"has the port range {first}-{last}")
    return found or [TASK_PORTS]


def _text_ports(resources: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for part in filter(None, (p.strip() for p in resources.split(";"))):
        name, colon, value = part.partition(":")
        if not colon or not name or not value:
            raise ValueError("must look like 'cpus:4;mem:8192;ports:[31000-32000]'")
        if re.fullmatch(r"ports(\([^()]*\))?", name.strip()):
            ranges = re.fullmatch(r"\s*\[([0-9,\s-]*)\]\s*", value)
            pairs = [_PAIR.fullmatch(r) for r in (ranges[1] if ranges else "").split(",")]
            if not all(pairs):
                raise ValueError("must have its ports like ports:[31000-32000]")
            found += [(int(p[1]), int(p[2])) for p in pairs if p]
    return found


def _json_ports(resources: str) -> list[tuple[int, int]]:
    try:
        ports = [r for r in json.loads(resources) if r["name"] == "ports"]
        return [(int(r["begin"]), int(r["end"])) for p in ports for r in p["ranges"]["range"]]
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        raise ValueError("is neither 'name:value;...' nor a JSON list of resources") from None
