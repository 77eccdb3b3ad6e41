"""What a backup is made of: one part for each component that keeps something for users, in `components/<name>/backup.py`.

Such a module has a function `part(sources) -> Part`; it is called where the component works.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from provisioner.cluster.model import Host
from provisioner.components.model import Component
from provisioner.context import Context
from provisioner.hosts.http_api import Api
from provisioner.hosts.remote_calls import RemoteCalls
from provisioner.inventory.render import host_variables
from provisioner.state import secrets


class Part(Protocol):
    """One part; `file` is its name in the archive."""

    file: str

    def save(self) -> bytes:
        """What is to be kept. Raises StepFailed, UnreachableError."""

    def put_back(self, data: bytes) -> str:
        """Put it into the cluster; says how much in a few words. What is there beside it stays. Raises StepFailed, UnreachableError."""


@dataclass(frozen=True)
class Sources:
    """Where one component's part comes from: the cluster, and the hosts on which it works."""

    context: Context
    component: Component
    working: Sequence[Host]

    def value(self, host: Host, name: str) -> Any:
        """A role variable as this host has it."""
        return host_variables(self.context.rendered, host.name).get(name, self.context.defaults[name])

    @property
    def api(self) -> Api:
        """The component's HTTP interface, on whichever of the hosts answers."""
        port = f"{self.component.name}_port"
        servers = [(host, f"{host.cluster_address}:{self.value(host, port)}") for host in self.working]
        return Api(RemoteCalls(self.context.transport), self.component.title, servers, self.component.name)

    @functools.cached_property
    def secrets(self) -> dict[str, str]:
        """The cluster's secrets by name."""
        return secrets.load(self.context.cluster)


def without(definition: Mapping[str, Any], state: Sequence[str]) -> dict[str, Any]:
    """A definition without what its program adds when it shows it."""
    return {key: value for key, value in definition.items() if key not in state}
