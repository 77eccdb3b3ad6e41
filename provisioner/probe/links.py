"""The links of this host, what it reaches by them, and whom it talks to in networks that somebody wants to take."""

import ipaddress
from pathlib import Path
from typing import Any

from .files import read
from .network import address_of, default_route

ESTABLISHED = "01"
#: A host in an office network may talk to thousands; a few prove the point.
MAX_PEERS = 20


def links(networks: "list[str]") -> "dict[str, Any]":
    """`routes` [{network, interface}] without default ones, `mtus` [{interface, mtu}], and `peers` [{address, what}] inside `networks`."""
    wanted = [ipaddress.ip_network(one, False) for one in networks]
    return {
        "routes": routes(read("/proc/net/route")),
        "mtus": [{"interface": path.parent.name, "mtu": int(read(str(path)) or 0)} for path in Path("/sys/class/net").glob("*/mtu")],
        "peers": [peer for peer in _peers() if any(_inside(peer["address"], one) for one in wanted)][:MAX_PEERS],
    }


def routes(table: str) -> "list[dict[str, str]]":
    """The lines of /proc/net/route as networks."""
    found = []
    for line in table.splitlines()[1:]:
        interface, destination, _, _, _, _, _, mask = line.split()[:8]
        if mask != "00000000":
            network = ipaddress.ip_network(f"{address_of(destination)}/{address_of(mask)}", False)
            found.append({"interface": interface, "network": str(network)})
    return found


def _inside(address: str, network: Any) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False  # anything may stand in resolv.conf


def _peers() -> "list[dict[str, str]]":
    """Name servers, the gateway, and who is at the other end of a TCP connection."""
    found = {line.split()[1]: "name server" for line in read("/etc/resolv.conf").splitlines() if line.split()[:1] == ["nameserver"]
             and len(line.split()) > 1}
    gateway = default_route().get("gateway")
    found.update({gateway: "gateway"} if gateway else {})
    for line in read("/proc/net/tcp").splitlines()[1:] + read("/proc/net/tcp6").splitlines()[1:]:
        words = line.split()
        if words[3] == ESTABLISHED:
            found.setdefault(address_of(words[2].split(":")[0]), "TCP connection")
    return [{"address": address.split("%")[0], "what": what} for address, what in sorted(found.items())]
