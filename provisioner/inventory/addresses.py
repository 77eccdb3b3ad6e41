"""Hosts that the inventory knows by name: each is looked up once, and the cluster then goes by the address.

Mesos (`--ip`), ZooKeeper's server lines and the firewall take addresses. What was found is kept in the ledger, so that rendering stays
the same and a rerun asks nobody; a name that moves later is told, not followed.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import host_list
from provisioner.errors import InventoryError
from provisioner.inventory.networks import outside

#: In all, however many names there are: a resolver that is down answers after 10 s.
LOOKUP_SECONDS = 20.0
#: For names whose address is known: one that does not answer is no news.
AGAIN_SECONDS = 3.0
_AT_ONCE = 64
#: Reserved for documentation, so whatever has a default route reaches it by that; nothing is sent there.
_ELSEWHERE = ("192.0.2.1", 9)
HINT = ("enter the names in DNS or /etc/hosts of this machine, or write ansible_host: <address> (cluster_address: <address> where SSH "
        "knows the name)")


@dataclass(frozen=True)
class Answer:
    """What a name is: one IPv4 address, or why it is none that the other hosts can use."""

    address: str = ""
    why: str = ""


@dataclass(frozen=True)
class Settled:
    """`cluster` with an address for every host whose name has one; `addresses`: name → address, for the ledger; `problems`: what is
    wrong, a sentence for each cause."""

    cluster: Cluster
    addresses: Mapping[str, str]
    problems: tuple[str, ...] = ()

    def whole(self) -> Cluster:
        """The cluster. Raises InventoryError with all problems."""
        if not self.problems:
            return self.cluster
        if len(self.problems) == 1:
            raise InventoryError(self.problems[0], hint=HINT)
        listed = "".join(f"\n  {text}" for text in self.problems)
        raise InventoryError(f"{len(self.problems)} problems with host names{listed}", hint=HINT)


def settle(cluster: Cluster, known: Mapping[str, str], seconds: float = LOOKUP_SECONDS) -> Settled:
    """Give every host an address: the one its name is `known` by, else what is found within so many seconds."""
    named = [host for host in cluster.hosts if _is_this_machine(host) or not _is_address(host.cluster_address)]
    if not named:
        return Settled(cluster, {})
    answers = {name: Answer(address) for name, address in known.items()}
    answers |= _find(cluster, {host.cluster_address for host in named} - known.keys(), seconds)
    found = {host.cluster_address: answer.address for host in named if (answer := answers[host.cluster_address]).address}
    hosts = tuple(_at(host, found[host.cluster_address]) if host.cluster_address in found else host for host in cluster.hosts)
    settled = replace(cluster, hosts=hosts)
    strangers = (f"{host.name} is at {host.cluster_address}, in none of cluster_networks: the other hosts would not let it in"
                 for host in outside(settled))
    return Settled(settled, dict(sorted(found.items())), (*_missing(named, answers), *_shared(cluster, hosts), *strangers))


@dataclass(frozen=True)
class Moved:
    """A host whose name has another address `now` than `before`, when the cluster was built."""

    host: Host
    before: str
    now: str

    @property
    def message(self) -> str:
        """What that means."""
        return f"{self.host.cluster_address} is {self.now} now; the cluster was built with {self.before} and keeps to it"

    @property
    def hint(self) -> str:
        """What to do."""
        return f"if the machine moved, write cluster_address: {self.now} at {self.host.name}; if not, correct the name"


def moved(cluster: Cluster, known: Mapping[str, str]) -> list[Moved]:
    """The hosts of an inventory whose name has another address now than it is known by."""
    now = _find(cluster, {host.cluster_address for host in cluster.hosts} & known.keys(), AGAIN_SECONDS)
    return [Moved(host, known[name], now[name].address) for host in cluster.hosts
            if (name := host.cluster_address) in now and now[name].address not in ("", known[name])]


def _find(cluster: Cluster, names: Collection[str], seconds: float) -> dict[str, Answer]:
    """What each of these names of hosts is now."""
    here = {host.cluster_address for host in cluster.hosts if _is_this_machine(host)} & {*names}
    return {**look_up({*names} - here, seconds), **{name: _here() for name in here}}


def look_up(names: Collection[str], seconds: float) -> dict[str, Answer]:
    """Ask this machine's resolver (DNS, /etc/hosts) for all names side by side."""
    if not names:
        return {}
    # An inventory of addresses, and a rerun, need none of these.
    import queue
    import threading

    waiting, answered = queue.SimpleQueue[str](), queue.SimpleQueue[tuple[str, Answer]]()
    for name in names:
        waiting.put(name)

    def work() -> None:
        while True:
            try:
                name = waiting.get_nowait()
            except queue.Empty:
                return
            answered.put((name, _ask(name)))

    for _ in range(min(_AT_ONCE, len(names))):
        threading.Thread(target=work, daemon=True).start()  # nobody can stop the resolver, so nobody waits for it at the end
    over, found = time.monotonic() + seconds, dict[str, Answer]()
    while len(found) < len(names):
        try:
            name, answer = answered.get(timeout=max(0.0, over - time.monotonic()))
        except queue.Empty:
            break
        found[name] = answer
    return dict.fromkeys(names, Answer(why=f"the resolver did not answer within {seconds:g} s")) | found


def _ask(name: str) -> Answer:
    import socket

    try:
        every = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        return Answer(why=f"can't be resolved: {getattr(error, 'strerror', None) or error}")
    fours = sorted((a for a in every if ":" not in a), key=ipaddress.IPv4Address)
    usable = [a for a in fours if not ipaddress.IPv4Address(a).is_loopback]
    if len(usable) == 1:
        return Answer(usable[0])
    if usable:
        return Answer(why=f"has {len(usable)} addresses ({', '.join(usable)}): write the one of the cluster's network as cluster_address")
    if fours:
        return Answer(why=f"is {fours[0]} here, which only this machine reaches (see /etc/hosts)")
    return Answer(why="has only an IPv6 address, which ZooKeeper's and Mesos' connection strings can't hold")


def _here() -> Answer:
    own = own_address()
    return Answer(own, "" if own else "is this machine, which has no default route to tell its address by: write it as cluster_address")


def own_address() -> str:
    """The IPv4 address by which this machine talks to others, that of its default route; '' without one."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            unsent.connect(_ELSEWHERE)
        except OSError:
            return ""
        return str(unsent.getsockname()[0])


def _is_this_machine(host: Host) -> bool:
    """Whether nothing but `ansible_connection: local` says where it is: others find neither a loopback address nor its name for itself."""
    return host.local and "cluster_address" not in host.variables and (
        not _is_address(host.address) or ipaddress.ip_address(host.address).is_loopback)


def _missing(named: Collection[Host], answers: Mapping[str, Answer]) -> Iterator[str]:
    """One sentence for all names with the same fate on the same line."""
    alike: dict[tuple[str, str], list[str]] = {}
    for host in named:
        answer = answers[host.cluster_address]
        if not answer.address:
            alike.setdefault((host.where, answer.why), []).append(host.cluster_address)
    for (where, why), names in alike.items():
        yield f"{where}: {host_list(names)} {why}"


def _shared(written: Cluster, hosts: Collection[Host]) -> Iterator[str]:
    """Names that mean one machine."""
    first: dict[str, Host] = {}
    for host in hosts:
        other = first.setdefault(host.cluster_address, host)
        if other is not host:
            yield (f"{host.where}: {written.host(host.name).cluster_address} has the address {host.cluster_address}, which is that of "
                   f"{other.name} ({other.where}) too")


def _at(host: Host, address: str) -> Host:
    return replace(host, variables={**host.variables, "cluster_address": address})


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
