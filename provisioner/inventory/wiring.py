"""How the components are wired to each other: where `components/<name>/wiring.py` looks up what its role is told.

There one function, `variables(host, wiring)`, returns one host's variables for one role, as flat literal values. Secrets are written
as references into the vault file (`secrets.yml`), never as values.
"""

from __future__ import annotations

import functools
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from provisioner.cluster.catalogue import Catalogue, Entry
from provisioner.cluster.lock import ARCHIVE
from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS, QUORUMS, SITE
from provisioner.components.model import Port
from provisioner.inventory.following import Following
from provisioner.inventory.networks import joined, networks_of
from provisioner.state.ledger import Ledger

Variables = dict[str, Any]


class OpenPort(NamedTuple):
    """A port or range of ports that others reach, and who they are; see `Port`."""

    port: str
    protocol: str
    reach: str


@dataclass(frozen=True)
class Wiring:
    """What the functions look things up in."""

    cluster: Cluster
    ledger: Ledger
    catalogue: Catalogue
    defaults: Mapping[str, Any]
    following: Following = field(default_factory=Following)
    _entries: dict[str, Entry] = field(default_factory=dict, init=False, compare=False)
    _opened: dict[tuple[Any, ...], list[OpenPort]] = field(default_factory=dict, init=False, compare=False)

    @functools.cached_property
    def everybody(self) -> list[dict[str, str]]:
        """All hosts by name and address: made once, for ten thousand hosts it is long."""
        return named(self.cluster.hosts)

    @functools.cached_property
    def known_without_dns(self) -> list[dict[str, str]]:
        """The quorums' members, on whom the cluster's names depend; those whose names have dots, as DNS' search is for single words; all
        where one has no DNS.
        """
        hosts = self.cluster.hosts
        if not all("dns" in h.groups for h in hosts):
            return self.everybody
        return named(tuple(h for h in hosts if h.groups & {*QUORUMS.values()} or "." in h.name))

    @functools.cached_property
    def addresses(self) -> list[str]:
        """Of all hosts."""
        return [h.cluster_address for h in self.cluster.hosts]

    def value(self, host: Host, name: str) -> Any:
        """A variable as the user set it for this host, else its role's default."""
        return host.variables.get(name, self.defaults.get(name))

    def setting(self, name: str, default: Any = "") -> Any:
        """A `cluster_*` variable."""
        return self.cluster.variables.get(name, default)

    def entry(self, component: str) -> Entry:
        """The artefact that this cluster uses for a component."""
        if component not in self._entries:
            self._entries[component] = self.catalogue.pick(component, *self.catalogue.choice(component, self.cluster.variables))
        return self._entries[component]

    def at(self, group: str, port: str) -> list[str]:
        """`address:port` of every member of a group; `port` is a variable's name."""
        return [f"{h.cluster_address}:{self.value(h, port)}" for h in self.cluster.members(group)]

    def open_ports(self, host: Host) -> list[OpenPort]:
        """What others reach on this host, by the components it runs."""
        # Hosts with the same groups and the same values of what moves a port open the same: ten thousand are of a few kinds.
        kind = (host.groups, *[repr(host.variables.get(name)) for name in self._port_variables])
        if kind not in self._opened:
            values = ChainMap(dict(host.variables), dict(self.defaults))
            ports = [port for c in COMPONENTS if c.name in host.groups for port in c.ports]
            self._opened[kind] = [OpenPort(text, protocol, port.reached_by) for port in ports
                                  if port.public and port.opened_by(host.groups, values, self.ledger.access)
                                  for text in _texts(port, values) for protocol in port.protocols]
        return self._opened[kind]

    @functools.cached_property
    def _port_variables(self) -> list[str]:
        """What moves, opens or closes a port."""
        return sorted({name for c in COMPONENTS for port in c.ports for name in (port.variable, port.when[0]) if name})

    @functools.cached_property
    def members_ports(self) -> list[OpenPort]:
        """What only members of the cluster reach on any of its hosts, each once."""
        return sorted({port for host in self.cluster.hosts for port in self.open_ports(host) if port.reach == "members"})

    @functools.cached_property
    def admitted(self) -> tuple[list[str], list[str]]:
        """The cluster's networks and those of its operators, each without overlaps and in order. For all hosts the same, so made once."""
        return joined(self.networks), joined(str(each) for each in self.setting("cluster_operator_networks", []))

    @functools.cached_property
    def networks(self) -> list[str]:
        """Where the members of the cluster are: `cluster_networks`."""
        return [str(each) for each in self.setting("cluster_networks") or networks_of(self.addresses)]

    def archive(self, component: str, host: Host) -> Variables:
        """Version, addresses and checksum of the archive that a component is installed from on a host."""
        entry = self.entry(component)
        urls = [self.url(entry.get("file"))] if entry.get("file") else entry.get("urls", [])
        url = next(iter(urls), "")
        checksum = self.url(entry.get("checksum_file")) if entry.get("checksum_file") else entry.get("sha256") or entry.get("checksum")
        if entry.kind == ARCHIVE:
            checksum = self.following.sha256(host, url, entry.version, checksum)
        return {f"{component}_version": entry.version, f"{component}_archive_url": url, f"{component}_archive_others": urls[1:],
                f"{component}_archive_sha256": checksum}

    def locked(self, host: Host, role: str, names: Sequence[str], wanted: str = "") -> Variables:
        """The exact versions of packages that a role keeps from other upgrades, where a lock is followed; `wanted` is that of the first."""
        found = self.following.packages(host, names, wanted)
        return {f"{role}_locked": found} if found else {}

    @functools.cached_property
    def proxy_environment(self) -> dict[str, str]:
        """What programs on the hosts read to find the site's proxies; empty without any.

        Those that everybody talks to are reached without: not all hosts, as each new one would change the environment of all.
        """
        found = {name: str(self.setting(f"cluster_{name}")) for name in ("http_proxy", "https_proxy") if self.setting(f"cluster_{name}")}
        if not found:
            return {}
        talked_to = {"masters", *QUORUMS.values(), SITE.name}
        near = [h.cluster_address for h in self.cluster.hosts if h.groups & talked_to]
        own = [one.strip() for one in str(self.setting("cluster_no_proxy")).split(",") if one.strip()]
        return {**found, "no_proxy": ",".join(dict.fromkeys(("localhost", "127.0.0.1", *near, *own)))}

    def url(self, path: str) -> str:
        """A path on the site's mirror."""
        return f"{str(self.setting('cluster_mirror')).rstrip('/')}/{path}"

    def image(self, component: str) -> str:
        """The full name of a component's image, in the site's registry where there is one; with its digest where a lock is followed."""
        name, registry = str(self.entry(component).get("image")), str(self.setting("cluster_registry"))
        return self.following.image(f"{registry}/{name}" if registry else name)

    def zookeepers(self, sep: str = ",") -> str:
        """The connection string without scheme, credentials and path."""
        return sep.join(self.at("zookeeper", "zookeeper_client_port"))

    @property
    def authentication(self) -> bool:
        """Does everybody bring a password?"""
        return bool(self.setting("cluster_authentication", True))

    @property
    def closed(self) -> bool:
        """Does nobody get in without a password (`cluster_access`)?"""
        return self.ledger.access == "closed"

    @property
    def authority(self) -> Variables:
        """References to the authority that signs the certificates of the cluster's services; empty in an open cluster."""
        if not self.closed:
            return {}
        return {"certificate": "{{ vault_cluster_ca_certificate }}", "key": "{{ vault_cluster_ca_key }}",
                "also": also("cluster_ca_certificate")}

    @property
    def trusted(self) -> str:
        """A reference to the certificates of those who sign for the cluster's services: two, while one follows the other."""
        return f"{{{{ vault_cluster_ca_certificate }}}}\n{also('cluster_ca_certificate')}"

    def zk_url(self, user: str, path: str) -> str:
        """A `zk://` URL with its password as a reference."""
        login = f"{user}:{{{{ vault_zookeeper_{user}_password }}}}@" if self.authentication else ""
        return f"zk://{login}{self.zookeepers()}/{path}"

    def secret(self, name: str) -> str:
        """A reference to the secret of this name; empty where nobody brings one."""
        return f"{{{{ vault_{name} }}}}" if self.authentication else ""


def also(name: str) -> str:
    """A reference to the other value of a secret that counts while it is rotated: the one to come, or the one before; else empty."""
    return f"{{{{ vault_{name}_next | default(vault_{name}_old | default('')) }}}}"


def to_come(name: str) -> str:
    """A reference to a secret that is handed out before it counts: who holds it brings it when it is asked for it again."""
    return f"{{{{ vault_{name}_next | default(vault_{name}) }}}}"


def in_turn(user: str, name: str, *, other: bool = False) -> str:
    """Who brings a secret where the server knows one for each name: one of two names, by turns; the `other` is not current."""
    turn = f"vault_{name}_turn | default('')"
    return f"{user}{{{{ '' if {turn} else '-2' }}}}" if other else f"{user}{{{{ '-2' if {turn} else '' }}}}"


def named(hosts: tuple[Host, ...]) -> list[dict[str, str]]:
    """Name and address of each."""
    return [{"name": h.name, "address": h.cluster_address} for h in hosts]


def quorum(members: int) -> int:
    """The majority of an ensemble (Mesos operational guide)."""
    return members // 2 + 1


def _texts(port: Port, values: Mapping[str, Any]) -> list[str]:
    if port.ranges:
        return [f"{first}-{last}" for first, last in port.ranges(str(values.get(port.variable) or ""))]
    return [str(values.get(port.variable, port.number) if port.variable else port.number)]
