"""What only shows when the whole cluster is looked at: sizes, duplicates, clashing ports."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import counted, host_list
from provisioner.components import COMPONENTS, QUORUMS
from provisioner.inventory import settings, sources
from provisioner.inventory.described import ALL, UNGROUPED
from provisioner.inventory.groups import HOST_WIDE
from provisioner.inventory.networks import outside
from provisioner.inventory.ports import OWN_LINE, Lines, clashes
from provisioner.inventory.schema import Schema
from provisioner.state.problems import Problems, show

#: More members that vote only make every write slower.
VOTERS_MAX = 9
#: What an open cluster has no use for, but that the firewall of one where it is managed lets in its networks.
CLOSED_ONLY = ("cluster_networks", "cluster_operator_networks", "cluster_ca_certificate", "cluster_ca_key")
_ONE_EACH = {
    "ansible_host": "each machine is one host: correct ansible_host, or remove one of the two",
    "cluster_address": "every host needs a cluster_address of its own: the one at which the others reach it",
    "zookeeper_id": "give every host its own, or remove the lines: ids are then handed out",
}


def check(cluster: Cluster, schema: Schema, lines: Lines, problems: Problems) -> tuple[str, ...]:
    """Adds what is wrong to `problems`; returns warnings, whole sentences. `lines`: host → variable → line."""
    _unique(cluster, lines, problems)
    _reachable(cluster, lines, problems)
    _this_machine(cluster, lines, problems)
    _authority(cluster, lines, problems)
    for host in outside(cluster):
        problems.add(_line(lines, host, "cluster_networks"), f"{host.name} is at {host.cluster_address}, in none of cluster_networks",
                     "add its network: the other hosts would not let it in")
    _ports(cluster, schema, lines, problems)
    _locks(cluster, problems)
    warnings = (*settings.check(cluster, schema, lines, problems), *sources.check(cluster, lines, problems))
    return (*_voters(cluster, problems), *_servers(cluster, problems), *_oddities(cluster), *warnings)


def _ports(cluster: Cluster, schema: Schema, lines: Lines, problems: Problems) -> None:
    defaults = schema.all_defaults()
    found: dict[tuple[int, str], list[str]] = {}
    for host in cluster.hosts:
        for clash in clashes(host, defaults, lines[host.name], str(cluster.variables.get("cluster_access") or "open")):
            found.setdefault(clash, []).append(host.name)
    for (line, message), (first, *others) in found.items():
        where = f"{first} and {counted(len(others), 'more host')}" if others else first
        problems.add(line, f"on {where}: {message}", "correct the value, or move one of the two to another host")


def _locks(cluster: Cluster, problems: Problems) -> None:
    if cluster.variables.get("cluster_access") == "closed" and cluster.variables.get("cluster_authentication") is False:
        problems.add(0, "cluster_access is closed, but cluster_authentication is false: without passwords nobody is told from a stranger",
                     "take cluster_authentication out of the inventory, or write cluster_access: open")


def _voters(cluster: Cluster, problems: Problems) -> Iterator[str]:
    counts: dict[tuple[str, ...], list[str]] = {}
    for group in QUORUMS.values():
        counts.setdefault(tuple(h.name for h in cluster.members(group)), []).append(group)
    for members, groups in counts.items():
        names = ", ".join(groups)
        if not members:
            problems.add(0, f"no host is in {names}", _where_voters_go(cluster), ini=_where_voters_go(cluster, ini=True))
        elif len(members) % 2 == 0 or len(members) > VOTERS_MAX:
            hint = "make it 1, 3, 5, 7 or 9: an even number survives no more losses than the odd one below it"
            problems.add(0, f"there are {len(members)} hosts in {names}", hint)
        elif len(members) == 1:
            yield f"there is one host in {names}: the cluster stops when that host does; use 3 or more"


def _where_voters_go(cluster: Cluster, *, ini: bool = False) -> str:
    hint = "put 1, 3, 5, 7 or 9 hosts in masters, or in the group itself"
    if len(cluster.hosts) > 1:
        return hint
    name = cluster.hosts[0].name
    if ini:
        return f"{hint}; all on this one: {name} below [masters] and below [agents]"
    return f"{hint}; all on this one: children: {{masters: {{hosts: {{{name}: }}}}, agents: {{hosts: {{{name}: }}}}}} below all"


def _servers(cluster: Cluster, problems: Problems) -> Iterator[str]:
    for component in COMPONENTS:
        group = component.unit_group
        if component.missing and not cluster.members(group):
            if component.required:
                problems.add(0, f"no host is in {group}", component.missing)
            else:
                yield f"no host is in {group}: {component.missing}"


def _oddities(cluster: Cluster) -> Iterator[str]:
    if alone_at_loopback(cluster):
        host = cluster.hosts[0]
        yield f"containers can't reach {host.name} at {host.cluster_address}: {_own_address(cluster, host)}"
    if cluster.variables.get("cluster_authentication") is False:
        yield "cluster_authentication is false: anyone who reaches a Mesos master or ZooKeeper can run programs as root on every agent"
    for host in cluster.hosts:
        if host.groups <= {ALL, UNGROUPED, *HOST_WIDE}:
            yield f"{host.name} ({host.where}) is in no group: it gets only what every host gets"
        if "zookeeper_id" in host.variables and "zookeeper" not in host.groups:
            yield f"{host.name} ({host.where}) has a zookeeper_id but runs no ZooKeeper"


def without_effect(cluster: Cluster, access: str) -> Iterator[str]:
    """Sentences about settings that only a closed cluster has a use for, where this one is open."""
    if access == "closed":
        return
    firewall = any(host.variables.get("common_firewall") == "managed" for host in cluster.hosts)
    names = [name for name in CLOSED_ONLY if cluster.variables.get(name) and not (firewall and name == "cluster_networks")]
    if names:
        yield f"{' and '.join(names)}: without effect, as this cluster is open; write cluster_access: closed to have it closed"


def _authority(cluster: Cluster, lines: Lines, problems: Problems) -> None:
    given = {name: str(cluster.variables.get(name) or "") for name in ("cluster_ca_certificate", "cluster_ca_key")}
    if any(given.values()):
        from provisioner.state.authority import problem

        variable, wrong = problem(*given.values())
        if wrong:
            problems.add(_line(lines, cluster.hosts[0], variable), wrong, "give both, as PEM: see docs/access.md")


def _unique(cluster: Cluster, lines: Lines, problems: Problems) -> None:
    _no_two(cluster, lines, problems, "ansible_host", "connects to the same address and port as", _endpoint)
    _no_two(cluster, lines, problems, "cluster_address", "has the same address as", _address)
    _no_two(cluster, lines, problems, "zookeeper_id", "has the same zookeeper_id as", _zookeeper_id)


def _no_two(cluster: Cluster, lines: Lines, problems: Problems, variable: str, relation: str, key: Callable[[Host], object]) -> None:
    seen: dict[object, Host] = {}
    for host in cluster.hosts:
        first = seen.setdefault(value, host) if (value := key(host)) is not None else host
        if first is not host:
            where = problems.at(_line(lines, first, variable))
            message = f"{host.name} {relation} {first.name} ({where})"
            problems.add(_line(lines, host, variable), message, _ONE_EACH[variable])


def _reachable(cluster: Cluster, lines: Lines, problems: Problems) -> None:
    for host in cluster.hosts:
        if ":" in host.cluster_address:
            problems.add(
                _line(lines, host, "ansible_host"),
                f"{host.name} has only an IPv6 address, which ZooKeeper's and Mesos' connection strings can't hold",
                "set cluster_address to its IPv4 address or DNS name",
            )
        elif _is_loopback(host.cluster_address) and not (alone_at_loopback(cluster) or _has_its_own(cluster, host)):
            variable = "cluster_address" if "cluster_address" in host.variables else "ansible_host"
            who = "the other hosts" if len(cluster.hosts) > 1 else "containers"
            message = f"{who} can't reach {host.name} at {show(host.cluster_address)}"
            problems.add(_line(lines, host, variable), message, _own_address(cluster, host))


def alone_at_loopback(cluster: Cluster) -> bool:
    """Whether this is one machine that SSH reaches at a loopback address: enough to look at it, not for a cluster whose containers
    have to reach it. Preflight refuses that."""
    return len(cluster.hosts) == 1 and not cluster.hosts[0].local and cluster.hosts[0].cluster_address.startswith("127.")


def _has_its_own(cluster: Cluster, host: Host) -> bool:
    """Whether the machine that this runs on is asked for its address, as nothing else says it."""
    return len(cluster.hosts) == 1 and host.local and "cluster_address" not in host.variables


def _this_machine(cluster: Cluster, lines: Lines, problems: Problems) -> None:
    local = [host for host in cluster.hosts if host.local]
    if local and len(cluster.hosts) > 1:
        problems.add(
            _line(lines, local[0], "ansible_connection"),
            f"ansible_connection: local ({host_list([h.name for h in local])}) is for a cluster of one machine: run from another one, this "
            "inventory would mean that one",
            "remove the line: like the others, the machine that provision runs on is reached over SSH, at its ansible_host; or make it the "
            "only host",
        )


def _own_address(cluster: Cluster, host: Host) -> str:
    hint = "set cluster_address to the address it has in the cluster's network"
    if len(cluster.hosts) > 1 or host.local:
        return hint
    return f"{hint}; if it is the machine that provision runs on, write ansible_connection: local"


def _endpoint(host: Host) -> object:
    return _canonical(host.address), host.port


def _address(host: Host) -> object:
    return _canonical(host.cluster_address)


def _zookeeper_id(host: Host) -> object:
    return host.variables.get("zookeeper_id")


def _canonical(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address.lower()


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() in ("localhost", "localhost.localdomain")


def _line(lines: Lines, host: Host, variable: str) -> int:
    known: Mapping[str, int] = lines[host.name]
    return known.get(variable, known[OWN_LINE])
