"""The machine that this program runs on, where it is a host of its own cluster (`ansible_connection: local`)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace

from provisioner.cluster.model import Host

#: Reserved for documentation, so whatever has a default route reaches it by that; nothing is sent there.
_ELSEWHERE = ("192.0.2.1", 9)


def addressed(host: Host) -> Host:
    """The only host of a cluster, with its `cluster_address` where it is this machine and was given no address that others could use."""
    if not host.local or "cluster_address" in host.variables or usable(host.address):
        return host
    own = own_address()
    return replace(host, variables={**host.variables, "cluster_address": own}) if own else host


def own_address() -> str:
    """The IPv4 address by which this machine talks to others, that of its default route; '' without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(_ELSEWHERE)
        except OSError:
            return ""
        return str(unsent.getsockname()[0])


def usable(address: str) -> bool:
    """Whether a text is an IPv4 address that is not of the machine for itself alone."""
    try:
        return not ipaddress.IPv4Address(address).is_loopback
    except ValueError:
        return False
