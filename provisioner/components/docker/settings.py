"""What Docker's role refuses of its variables, and which of its networks hold addresses of the hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from provisioner.cluster.model import Cluster
from provisioner.inventory.role_rules import filters
from provisioner.inventory.settings import Clash, Problem, Values

OPTIONS, OVERLAY, SUBNET = "docker_daemon_options", "docker_overlay", "docker_overlay_subnet"
#: What Docker gives its bridge, unless it sees a route in its way (moby, libnetwork/ipamutils).
BRIDGE = ipaddress.IPv4Network("172.17.0.0/16")


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    for message in filters("docker").docker_option_problems(values.get(OPTIONS, {}), values.get(OVERLAY, "none"), values.get(SUBNET, "")):
        yield OPTIONS, message


def doubts(values: Values) -> Iterator[Problem]:
    """What may be right, though nothing known here says so."""
    for message in filters("docker").docker_option_doubts(values.get(OPTIONS, {})):
        yield OPTIONS, message


def clashes(cluster: Cluster, defaults: Values) -> Iterator[Clash]:
    """Networks of containers on any host that hold the address of a host: packets to that host would stay here."""
    addresses = {address: host.name for host in cluster.hosts if (address := _address(host.cluster_address))}
    judged: set[tuple[int, ...]] = set()
    for host in cluster.hosts:
        values = {name: host.variables.get(name, defaults.get(name)) for name in (OPTIONS, OVERLAY, SUBNET)}
        same = tuple(map(id, values.values()))
        if same in judged:
            continue
        judged.add(same)
        for variable, name, network, sure in _networks(values):
            inside = next((address for address in addresses if address in network), None)
            if inside:
                yield _clash(host.name, variable, f"{name} {network}", f"{inside}, the address of {addresses[inside]}", sure)


def _clash(host: str, variable: str, network: str, whose: str, sure: bool) -> Clash:
    if sure:
        return Clash(host, variable, f"{network}, where containers get their addresses, holds {whose}",
                     "choose a network that nobody uses in the reach of the hosts, such as 10.200.0.0/16")
    return Clash(host, variable, f"{network} holds {whose}: Docker takes another one for its bridge only on hosts that have a route to it; "
                 "set docker_daemon_options: {bip: 10.200.0.1/24}, or another network that nobody uses", sure=False)


def _networks(values: Values) -> Iterator[tuple[str, str, ipaddress.IPv4Network, bool]]:
    """The variable, what it is called, the network, and whether Docker takes it whatever routes there are."""
    if values[OVERLAY] != "none":
        yield SUBNET, SUBNET, ipaddress.IPv4Network(values[SUBNET]), True
    try:
        found = filters("docker").docker_networks(values[OPTIONS])
    except ValueError:
        return  # what `problems` says
    for name, network in found:
        yield OPTIONS, f"{OPTIONS}: {name}", network, name != "default-address-pools"
    if not found:
        yield OPTIONS, "Docker's default network", BRIDGE, False


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None  # a name: what it resolves to is seen by preflight
