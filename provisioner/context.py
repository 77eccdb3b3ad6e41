"""What the commands share: the cluster as the inventory says, its rendered form, and the way to its hosts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.cluster import catalogue
from provisioner.cluster.model import Cluster, Host
from provisioner.cluster.names import host_list
from provisioner.errors import UsageError
from provisioner.inventory.addresses import Moved, Settled, moved, settle
from provisioner.inventory.by_ansible import Vault
from provisioner.inventory.checks import without_effect
from provisioner.inventory.load import load
from provisioner.inventory.render import host_variables, render
from provisioner.inventory.schema import load_schema
from provisioner.inventory.site import as_source, doubts
from provisioner.state import ledger, secrets
from provisioner.state.ledger import Ledger

if TYPE_CHECKING:
    from provisioner.hosts.openssh import Transport

#: For fewer hosts it takes longer to load paramiko than it saves.
FEWEST = 5
#: How long `validate` waits for names, in seconds: it is to be quick, and only warns.
BRIEFLY = 1.5


class Context:
    """One command's view of one cluster. Parts that are not given are made when first asked for."""

    def __init__(self, path: Path, *, cluster: Cluster | None = None, ledger: Ledger | None = None,
                 transport: Transport | None = None, vault: Vault | None = None, own_mirror: bool = True) -> None:
        self.path, self.vault = path, vault
        self._cluster, self._ledger, self._transport, self._own_mirror = cluster, ledger, transport, own_mirror

    @functools.cached_property
    def plain(self) -> Cluster:
        """The inventory, checked, and nothing that follows from it."""
        return self._cluster or load(self.path, vault=self.vault)

    @functools.cached_property
    def written(self) -> Cluster:
        """The inventory as it is written: the other hosts may know a host by its name only."""
        return self._with_mirror(self.plain)

    @functools.cached_property
    def cluster(self) -> Cluster:
        """The inventory with an address for every host. Names are looked up unless the ledger knows them.

        Raises InventoryError with all names that are no address.
        """
        return self._with_mirror(self._settled.whole())

    def _with_mirror(self, cluster: Cluster) -> Cluster:
        return as_source(cluster, self.defaults) if self._own_mirror else cluster

    @property
    def from_elsewhere(self) -> Context:
        """The context in which a mirror that the cluster runs itself is no source: for what that is filled with."""
        if self.written is self.plain:
            return self
        return Context(self.path, cluster=self.plain, ledger=self._ledger, transport=self._transport, vault=self.vault, own_mirror=False)

    @functools.cached_property
    def _settled(self) -> Settled:
        return settle(self.plain, self._saved.addresses)

    @functools.cached_property
    def _saved(self) -> Ledger:
        return self._ledger or ledger.load(self.plain)

    @property
    def switched(self) -> str:
        """What a cluster that was built becomes by its inventory, `closed` or `open`; '' where it stays what it is."""
        return ledger.switch(self._saved, self.cluster)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is strange about the inventory, though it can be followed."""
        found = self.written
        return (*found.warnings, *doubts(found), *without_effect(found, ledger.wanted_access(self._saved, found)))

    @property
    def as_built(self) -> Context:
        """The context in which the cluster is closed or open as it was built, whatever its inventory wants it to become."""
        if not self.switched:
            return self
        return Context(self.path, cluster=self.plain, ledger=replace(self.ledger, access=ledger.access(self._saved)),
                       transport=self.transport, vault=self.vault)

    @property
    def authority_doubt(self) -> str:
        """What there is to say where the authority of a closed cluster ends soon; ''."""
        import datetime

        closed = self.as_built.ledger.access == "closed"
        return secrets.authority_doubt(self.written, datetime.datetime.now(datetime.UTC).date()) if closed else ""

    @property
    def access_doubt(self) -> str:
        """What there is to say where the cluster is not as closed or open as its inventory says; '' where it is."""
        return ledger.access_doubt(self._saved, self.cluster)

    @functools.cached_property
    def ledger(self) -> Ledger:
        """Identities handed out so far, with those that this inventory still needs. Not saved: `up` does that."""
        return replace(self._ledger or ledger.assign(self._saved, self.cluster), addresses=self._settled.addresses)

    def keep(self, changed: Ledger) -> Context:
        """Save a changed ledger; gives the context in which it holds."""
        ledger.save(self.cluster, changed)
        return Context(self.path, cluster=self.plain, ledger=changed, transport=self.transport, vault=self.vault)

    def moved(self) -> list[Moved]:
        """The hosts whose name has another address now than the cluster knows it by."""
        return moved(self.written, self._saved.addresses)

    def look_up_again(self, host: str) -> Context:
        """The context in which the name of a host is what it is now, not what it was when the cluster was built."""
        known = {name: a for name, a in self._saved.addresses.items() if name != self.written.host(host).cluster_address}
        return Context(self.path, cluster=self.plain, transport=self.transport, vault=self.vault,
                       ledger=replace(self.ledger, addresses=known))

    @functools.cached_property
    def rendered(self) -> dict[str, Any]:
        """The Ansible inventory."""
        return self._render(self.cluster, self.ledger)

    def _render(self, cluster: Cluster, identities: Ledger) -> dict[str, Any]:
        return render(cluster, identities, self.catalogue, self.defaults)

    @property
    def shown(self) -> dict[str, Any]:
        """The Ansible inventory for people: the same each time, so without an id while `up` has handed out none."""
        handed_out = ledger.ledger_path(self.written).exists()
        return self.rendered if handed_out else self._render(self.cluster, replace(self.ledger, cluster_id=""))

    def doubts(self) -> tuple[str, ...]:
        """What is wrong with the names of hosts as this machine sees them now. Raises InventoryError for all else that rendering finds."""
        found = settle(self.plain, self._saved.addresses, BRIEFLY)
        self._render(self._with_mirror(found.cluster), ledger.assign(self._saved, found.cluster))
        return found.problems

    @functools.cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The default value of every role variable."""
        return load_schema().all_defaults()

    def variables(self, host: Host) -> Mapping[str, Any]:
        """The role variables of a host, with their defaults."""
        return {**self.defaults, **host_variables(self.rendered, host.name)}

    @functools.cached_property
    def catalogue(self) -> catalogue.Catalogue:
        """What the site's mirror serves, before the built-in list."""
        return catalogue.of(self.written)

    @functools.cached_property
    def transport(self) -> Transport:
        """The way to the hosts."""
        if self._transport:
            return self._transport
        if self.cluster.local:
            from provisioner.hosts.local import Local

            return Local()
        from provisioner.hosts.openssh import OpenSsh

        return OpenSsh(self.written)

    @property
    def one_question(self) -> Transport:
        """The way to ask all hosts one thing: without a process of ssh for each, where that can be and no connection is open."""
        from provisioner.hosts.login import any_open
        from provisioner.hosts.plain_login import plain_logins

        plain = plain_logins(self.cluster)
        if len(plain) < FEWEST or any_open(self.cluster):
            return self.transport
        from provisioner.hosts.paramiko import Paramiko

        return Paramiko(self.cluster, plain, self.transport)

    def host(self, name: str) -> Host:
        """One host. Raises UsageError for a name that is not in the inventory."""
        try:
            return self.written.host(name)
        except KeyError:
            raise UsageError(f"no host {name!r}", where=str(self.path),
                             hint=f"hosts: {host_list([h.name for h in self.written.hosts])}") from None

    def version(self, component: str) -> str:
        """The version that the inventory asks for, or nothing."""
        versions = self.written.variables.get("cluster_versions")
        return str(versions.get(component, "")) if isinstance(versions, Mapping) else ""

    def limited(self, limit: str | None) -> tuple[str, ...]:
        """The hosts that `--limit` names, by host or group name. Empty means all. Raises UsageError for unknown names."""
        if not limit:
            return ()
        chosen: set[str] = set()
        for word in filter(None, (w.strip() for w in limit.split(","))):
            members = {h.name for h in self.written.hosts if h.name == word or word in h.groups}
            if not members:
                raise UsageError(f"--limit: no host or group {word!r}", where=str(self.path),
                                 hint=f"hosts: {host_list([h.name for h in self.written.hosts])}")
            chosen |= members
        return tuple(sorted(chosen))
