"""What the base system is told: who the hosts are and what they reach on each other."""

from __future__ import annotations

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS, SCHEDULERS
from provisioner.inventory.wiring import Variables, Wiring


def variables(host: Host, w: Wiring) -> Variables:
    """The variables of its role on one host."""
    return {
        "common_cluster": w.cluster.name,
        "common_cluster_id": w.ledger.cluster_id,
        "common_address": host.cluster_address,
        "common_hosts": _known_without_dns(host, w),
        "common_firewall_ports": [{"port": each.port, "protocol": each.protocol} for each in w.open_ports(host)],
        "common_firewall_sources": _sources(host, w),
        "common_authority": w.authority,
        "common_credentials": _credentials(host, w),
        **(_network(host, w) if w.closed else {}),
        "common_probe": {"firewall": w.value(host, "common_firewall"), **({"network": True} if w.closed else {})},
    }


def _known_without_dns(host: Host, w: Wiring) -> list[dict[str, str]]:
    """Whom a host knows although no name server answers: those on whom the names depend. It finds others by DNS, so that a new one does not
    change it. Schedulers know all: they ask an agent by its name whether a task is healthy, and kill it while the name is not found.
    """
    return w.everybody if host.groups & {*SCHEDULERS} else w.known_without_dns


def _sources(host: Host, w: Wiring) -> list[str]:
    """Whom a managed firewall lets in: the cluster's networks where they are named, else its hosts one by one."""
    if w.value(host, "common_firewall") != "managed":
        return []
    return w.networks if w.setting("cluster_networks") else w.addresses


def _network(host: Host, w: Wiring) -> Variables:
    """Whom a closed cluster's hosts let in."""
    return {
        "common_networks": w.admitted[0],
        "common_operator_networks": w.admitted[1],
        "common_bridges": [name for c in COMPONENTS if c.name in host.groups for name in c.bridges],
        "common_open_ports": [port._asdict() for port in w.open_ports(host)],
        "common_members_ports": [{"port": each.port, "protocol": each.protocol} for each in w.members_ports],
    }


def _credentials(host: Host, w: Wiring) -> Variables:
    """With what root asks services that also other hosts run: the name of each, with user and password."""
    asked = (getattr(c.part("wiring"), "asked_with", None) for c in COMPONENTS)
    return {name: login for ask in asked if ask for name, login in ask(host, w).items()}
