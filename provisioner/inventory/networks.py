"""Networks of IPv4 addresses, as an inventory writes them: 10.1.0.0/16, 10.1.0.7, 10.1.0.5-10.1.0.9."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from provisioner.cluster.model import Cluster, Host

#: The network around an address where the inventory names none.
USUAL_PREFIX = 24
#: As many addresses as 10.0.0.0/8 has, and one more.
WIDEST = 2**24


def span(text: str) -> tuple[int, int]:
    """The first and the last address of a network or range. Raises ValueError with what is wrong with it."""
    first, dash, last = (part.strip() for part in text.partition("-"))
    try:
        if dash:
            begin, end = int(ipaddress.IPv4Address(first)), int(ipaddress.IPv4Address(last))
        else:
            network = ipaddress.IPv4Network(text.strip(), strict=False)
            begin, end = int(network[0]), int(network[-1])
    except ValueError:
        raise ValueError("must be an IPv4 network like 10.1.0.0/16 or a range like 10.1.0.5-10.1.0.9") from None
    if not dash and ipaddress.IPv4Address(begin) != ipaddress.IPv4Address(text.partition("/")[0].strip()):
        raise ValueError(f"has an address of a host in it, the network is {network}")
    if end < begin:
        raise ValueError("ends before it begins")
    if end - begin >= WIDEST:
        raise ValueError("is too wide for the network of a cluster (at most a /8)")
    return begin, end


def outside(cluster: Cluster) -> list[Host]:
    """The hosts whose addresses are in none of the cluster's networks; of a name nobody knows that here."""
    written: Any = cluster.variables.get("cluster_networks") or []
    networks = [span(str(each)) for each in written]
    return [host for host in cluster.hosts if networks and (number := _number(host.cluster_address)) is not None
            and not any(first <= number <= last for first, last in networks)]


def joined(networks: Iterable[str]) -> list[str]:
    """The same addresses as networks and ranges that do not overlap, in order: nftables refuses others."""
    spans: list[tuple[int, int]] = []
    for first, last in sorted(map(span, networks)):
        if spans and first <= spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
        else:
            spans.append((first, last))
    return [_text(ipaddress.IPv4Address(first), ipaddress.IPv4Address(last)) for first, last in spans]


def networks_of(addresses: Iterable[str]) -> list[str]:
    """The usual networks around these addresses."""
    known = [address for address in addresses if _number(address) is not None]
    # One machine has no neighbours that belong to it.
    prefix = USUAL_PREFIX if len(known) > 1 else 32
    found = {ipaddress.IPv4Network(f"{address}/{prefix}", strict=False) for address in known}
    return [str(network) for network in ipaddress.collapse_addresses(found)]


def _text(first: ipaddress.IPv4Address, last: ipaddress.IPv4Address) -> str:
    whole = list(ipaddress.summarize_address_range(first, last))
    return str(whole[0]) if len(whole) == 1 else f"{first}-{last}"


def _number(address: str) -> int | None:
    try:
        return int(ipaddress.IPv4Address(address))
    except ValueError:
        return None
