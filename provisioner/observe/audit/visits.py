"""Which doors are tried from where: a pure function of the cluster."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from provisioner.cluster.model import Cluster, Host
from provisioner.components import AGENT, COMPONENTS
from provisioner.components.door import Door, Knock, Login, Place, called, door_of, of
from provisioner.components.model import LOOPBACK, Component, Port
from provisioner.inventory.networks import span

#: Nobody has these: a user, a password and a token.
WRONG = {"Authorization": "Basic YXVkaXQ6d3Jvbmc=", "X-Consul-Token": "00000000-0000-4000-8000-000000000000"}
WRONG_DIGEST = "audit:wrong"


@dataclass(frozen=True)
class Target:
    """One door of one host: a port with what there is to try, and whoever gets in."""

    host: Host
    component: Component
    title: str
    port: int
    protocol: str
    address: str
    reach: str
    door: Door
    knocks: tuple[Knock, ...]
    logins: tuple[Login, ...] = ()
    members: tuple[str, ...] = ()
    variable: str = ""

    def stranger(self, place: Place, own: bool, address: str = "") -> bool:
        """Whether its host's network rules are to keep who comes from there from connecting. `own`: from its own host; an operator comes
        from `address`.
        """
        if not self.members:
            return False
        if self.reach == "members":
            return place != "member" and not (place == "operator" and within(address, self.members))
        return self.reach == "host" and not own

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.title} {self.port}/{self.protocol}" if self.port else self.title


@dataclass(frozen=True)
class Visit:
    """A place from which some doors are tried, each at an address. `network` is a container's, '' without one."""

    place: Place
    here: Host | None
    network: str = ""
    doors: tuple[tuple[Target, str], ...] = field(default=())


def targets(cluster: Cluster, variables: Callable[[Host], Mapping[str, Any]], hosts: Sequence[str] = ()) -> list[Target]:
    """Every door of these hosts, or of all; `variables` are a host's role variables with their defaults."""
    return [each for host in cluster.hosts if not hosts or host.name in hosts for each in _of_host(host, variables(host))]


def _of_host(host: Host, variables: Mapping[str, Any]) -> Iterator[Target]:
    found: dict[tuple[int, str], Target] = {}
    own = [c for c in COMPONENTS if c.name in host.groups]
    members = tuple(network for c in own if of(c, "members") for network in of(c, "members")(variables))
    for component in own:
        ports = [(port, door_of(component, port)) for port in component.ports if port.opened_by(host.groups, variables) and not port.ranges]
        ports += [(door.port, door) for door in of(component, "DOORS") if door.port]
        for port, door in ports:
            for protocol in port.protocols:
                knocks = tuple(knock for knock in door.knocks if knock.protocol == protocol)
                logins = of(component, "LOGINS") if any(k.way == "http" for k in knocks) and not door.port else ()
                one = Target(host, component, _capital(port.title), port.on(variables), protocol, _address(port, variables),
                             port.reached_by, door, knocks, logins, members, port.variable)
                # What listens on loopback and on the host's address, too, is one door, to be tried at both.
                if found.get((one.port, protocol), one).address in (LOOPBACK, one.address) or not one.port:
                    found[(one.port, protocol)] = one
    return iter(found.values())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _address(port: Port, variables: Mapping[str, Any]) -> str:
    return port.address.format_map(variables) if port.address else ""


def visits(cluster: Cluster, every: Sequence[Target], networks: Mapping[str, Mapping[Place, str]]) -> list[Visit]:
    """Who tries what. From this machine every door; on each host a user and root try its own and the next one's; containers on agents try
    their own and together every host's.

    `networks` are those of containers, by agent and place.
    """
    tried = [t for t in every if t.knocks]
    names = list(dict.fromkeys(t.host.name for t in tried))
    found = [Visit("operator", None, doors=tuple((t, a) for t in tried if not _is_socket(t) for a in _addresses(t)))]
    for number, name in enumerate(names):
        near = {name, names[(number + 1) % len(names)]}
        doors = tuple((t, a) for t in tried if t.host.name in near and not (_is_socket(t) and t.host.name != name)
                      for a in (_own_addresses(t) if t.host.name == name else (t.host.cluster_address,)))
        found.append(Visit("user", cluster.host(name), doors=doors))
        found.append(Visit("member", cluster.host(name), doors=tuple((replace(t, logins=()), a) for t, a in doors if not _is_socket(t))))
    agents = [name for name in networks if name in names and AGENT.name in cluster.host(name).groups]
    for number, name in enumerate(agents):
        near = {name, *names[number::len(agents)], *names[(number + 1) % len(agents)::len(agents)]}
        doors = tuple((t, t.host.cluster_address) for t in tried if t.host.name in near and not _is_socket(t))
        found += [Visit(place, cluster.host(name), network, doors) for place, network in networks[name].items()]
    return found


def within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address is in one of these networks; one of a name nobody knows that here."""
    try:
        number = int(ipaddress.IPv4Address(address))
    except ValueError:
        return False
    return any(first <= number <= last for first, last in map(span, networks))


def _is_socket(target: Target) -> bool:
    return target.knocks[0].way == "unix"


def _addresses(target: Target) -> tuple[str, ...]:
    return tuple(dict.fromkeys((target.host.cluster_address, target.host.address)))


def _own_addresses(target: Target) -> tuple[str, ...]:
    """On its own host."""
    return (LOOPBACK,) if target.address == LOOPBACK or _is_socket(target) else (LOOPBACK, target.host.cluster_address)


def request(number: int, target: Target, address: str, secrets: Mapping[str, str], authority: str) -> dict[str, Any]:
    """What the knocking program is told of one door."""
    keys: dict[str, dict[str, Any]] = {"wrong": {"headers": WRONG, "digest": WRONG_DIGEST}}
    for login in (called(each, secrets) for each in target.logins):
        secret = secrets.get(f"vault_{login.secret}")
        if secret and not login.digest:
            keys[f"{login.user}'s"] = {"right": True, "headers": headers(login, secret)}
    with_keys = [{**asdict(knock), "keys": _keys(knock, keys)} for knock in target.knocks]
    return {"id": number, "address": address, "port": target.port, "protocol": target.protocol, "ca": authority, "keys": keys,
            "knocks": with_keys}


def _keys(knock: Knock, keys: Mapping[str, Any]) -> list[str]:
    """Wrong ones where there is a way to send any; right ones with questions alone, as they would be heard."""
    if knock.way not in ("http", "jute") or knock.gap or knock.any_answer:
        return ["nothing"]
    return ["nothing", "wrong", *(name for name in keys if name != "wrong" and knock.ask.startswith("GET "))]


def headers(login: Login, secret: str) -> dict[str, str]:
    """HTTP's of a login."""
    import base64

    if login.header:
        return {login.header: secret}
    return {"Authorization": "Basic " + base64.b64encode(f"{login.user}:{secret}".encode()).decode()}
