"""What `provision verify` is made of: the parts of a proof, in `components/<name>/proof.py`, and what they share.

Such a module has `LINKS`, what it proves in turn, and may have `CLEANING`, how what was begun is undone, and `prepare(proof, seen)`, which
is called before the first of all links with what the hosts answered, and may say something of it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from provisioner.cluster import catalogue
from provisioner.cluster.model import Cluster, Host
from provisioner.components import component
from provisioner.hosts.remote_calls import BrokenLink, RemoteCalls
from provisioner.inventory.render import host_variables
from provisioner.observe.observation import Observation, observe
from provisioner.observe.wait import wait_until

T = TypeVar("T")
PAUSE_SECONDS = 0.5


#: Where the test app and the server in the overlay listen in their containers.
CONTAINER_PORT = 8080


@dataclass(frozen=True)
class Instance:
    """A running instance of the app: where it answers."""

    agent: Host
    address: str
    port: int


class Skipped(Exception):
    """This cluster was not asked to have what the step would prove."""


@dataclass(frozen=True)
class Link:
    """One thing to prove: in words, over which links of the chain it goes, and how. Returns a detail, raises BrokenLink or Skipped."""

    name: str
    link: str
    prove: Callable[[Proof], str]


#: What was begun, and how it is undone.
Cleaning = tuple[str, Callable[["Proof"], None]]


@dataclass
class Proof:
    """One proof. `name` is unique: it is the app, its name in Consul, the job, and the token that is looked for.

    `begun` names what has to be undone, written down before it is done.
    """

    cluster: Cluster
    rendered: Mapping[str, Any]
    calls: RemoteCalls
    look: Callable[[tuple[str, ...]], Observation]
    name: str = field(default_factory=lambda: f"verify-{secrets.token_hex(4)}")
    agents: tuple[Host, ...] = ()
    instances: tuple[Instance, ...] = ()
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    log_sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)

    def variable(self, host: Host, name: str, default: Any = "") -> Any:
        """A role variable as this host has it."""
        return host_variables(self.rendered, host.name).get(name, default)

    def server(self, host: Host, name: str) -> str:
        """`address:port` of a component on a host, as its probe asks it."""
        request = self.variable(host, f"{name}_probe", {})
        return f"{request['address']}:{request['port']}"

    def consul(self, host: Host) -> str:
        """Consul's HTTP API on a host."""
        return str(self.variable(host, "consul_probe", {})["http"])

    @property
    def image(self) -> str:
        """The image of the test app."""
        return test_image(self.cluster)

    def until(self, seconds: float, look: Callable[[], T | None]) -> T | None:
        """Look again and again until there is something to see; None when the time is up."""
        return wait_until(look, lambda seen: seen is not None, seconds, pause=PAUSE_SECONDS, clock=self.clock, sleep=self.sleep)

    def cause_of(self, why: str, *candidates: tuple[str, Host]) -> BrokenLink:
        """The first suspect (component, host) that is not well, else the first one, with what the probe says of it now."""
        seen = self.look(tuple({host.name for _, host in candidates}))
        innocent = ""
        for name, host in candidates:
            link = f"{component(name).title} on {host.name}"
            answer = seen.hosts.get(host.name)
            if answer and not answer.reachable:
                return BrokenLink(link, f"{why}; {host.name} is unreachable: {answer.error}")
            health = seen.health(host.name, name)
            if health and health["state"] == "down":
                return BrokenLink(link, f"{why}; {link}: {health['detail']}")
            innocent = innocent or f"{link} reports: {health['detail'] if health else 'nothing'}"
        first, host = candidates[0]
        return BrokenLink(f"{component(first).title} on {host.name}", f"{why}; {innocent}")


def test_image(cluster: Cluster) -> str:
    """An image for containers of ours: the user's, else the catalogue's busybox, from the cluster's registry where there is one."""
    chosen = str(cluster.variables.get("cluster_verify_image") or "")
    if chosen:
        return chosen
    site = str(cluster.variables.get("cluster_catalogue") or "")
    entry = catalogue.load(cluster.path.parent / site if site else None).pick("busybox")
    registry = str(cluster.variables.get("cluster_registry") or "")
    return f"{registry}/{entry.get('image')}" if registry else str(entry.get("image"))


def make_proof(cluster: Cluster, rendered: Mapping[str, Any], transport: Any) -> Proof:
    """A proof on the real hosts."""

    def look(hosts: tuple[str, ...]) -> Observation:
        return observe(cluster, rendered, transport, hosts=hosts, sections=("health",))

    return Proof(cluster, rendered, RemoteCalls(transport), look)
