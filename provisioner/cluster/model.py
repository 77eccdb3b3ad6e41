"""The cluster as its owner describes it: hosts, the groups they are in, the variables they were given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from provisioner.components import COMPONENTS, SERVER_GROUPS

#: The shorthands that cover most people, and everybody.
SHORTHANDS = ("masters", "agents")
#: Every group that a cluster has, whether somebody is in it or not.
GROUPS = frozenset({"all", *SHORTHANDS, *SERVER_GROUPS, *(c.name for c in COMPONENTS)})


def name_order(name: str) -> tuple[object, ...]:
    """Sort key of host names: numbers inside a name count as numbers, so that m2 comes before m10."""
    parts = re.split(r"([0-9]+)", name)
    return (tuple((int(p), p) if i % 2 else (p, "") for i, p in enumerate(parts)), name)


@dataclass(frozen=True)
class Host:
    """A machine.

    `address` and `port` are where SSH reaches it; `user` is empty where SSH's own configuration decides. `groups` are
    resolved: the components it runs and the server and shorthand groups it is in. `variables` are all that was written
    for it anywhere, by Ansible's precedence. `where` is the `file:line` that names it first.
    """

    name: str
    address: str
    port: int = 22
    user: str = ""
    groups: frozenset[str] = frozenset()
    variables: Mapping[str, object] = field(default_factory=dict)
    where: str = field(default="", compare=False)

    @property
    def cluster_address(self) -> str:
        """The address that the other hosts use for this one."""
        return str(self.variables.get("cluster_address", self.address))

    @property
    def local(self) -> bool:
        """Whether it is the machine that this program runs on, reached without SSH."""
        return self.variables.get("ansible_connection") == "local"


@dataclass(frozen=True)
class Cluster:
    """All hosts, ordered by name, and what holds for the cluster as a whole.

    `variables` are the `cluster_*` settings, each filled in from its default.
    `warnings` are sentences about things that work but are probably not meant.
    """

    name: str
    path: Path
    hosts: tuple[Host, ...]
    variables: Mapping[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def members(self, group: str) -> tuple[Host, ...]:
        """The hosts of a group, ordered by name. ValueError for a group that can't exist."""
        if group not in GROUPS:
            raise ValueError(f"no such group: {group}")
        return self._by_group.get(group, ())

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError."""
        return self._by_name[name]

    @property
    def local(self) -> bool:
        """Whether it is one of this machine alone, reached without SSH."""
        return any(host.local for host in self.hosts)  # then there is no other

    @property
    def state_dir(self) -> Path:
        """What must survive between runs lies here, beside the inventory."""
        return self.path.parent / ".provision" / self.name

    @cached_property
    def _by_group(self) -> dict[str, tuple[Host, ...]]:
        found: dict[str, list[Host]] = {}
        for host in self.hosts:
            for group in host.groups:
                found.setdefault(group, []).append(host)
        return {group: tuple(hosts) for group, hosts in found.items()}

    @cached_property
    def _by_name(self) -> dict[str, Host]:
        return {h.name: h for h in self.hosts}
