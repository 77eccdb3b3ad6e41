"""Which TCP ports the components of one host take, and which two of them want the same one."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from provisioner.cluster.model import Host
from provisioner.components import COMPONENTS
from provisioner.components.model import Port

#: Host → variable → the line it was written on; under OWN_LINE the line that names the host.
Lines = Mapping[str, Mapping[str, int]]
OWN_LINE = ""


@dataclass(frozen=True, order=True)
class Claim:
    """Ports `first` to `last` belong to `owner`, because of `variable` (empty: fixed)."""

    first: int
    last: int
    owner: str
    variable: str

    @property
    def text(self) -> str:
        """Who wants what."""
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.owner} ({f'{self.variable}: ' if self.variable else ''}{ports})"


def clashes(host: Host, defaults: Mapping[str, Any], lines: Mapping[str, int], access: str) -> Iterator[tuple[int, str]]:
    """The line and description of every two claims of one host that overlap, in a cluster that is `closed` or `open`.

    `defaults`: the roles' default values.
    """
    claims = sorted(_claims(host, defaults, access))
    widest = claims[0]
    for before, claim in pairwise(claims):
        widest = max(widest, before, key=lambda c: c.last)
        if claim.first <= widest.last:
            line = max(lines.get(widest.variable, 0), lines.get(claim.variable, 0)) or lines[OWN_LINE]
            yield line, f"{widest.text} and {claim.text} overlap"


def _claims(host: Host, defaults: Mapping[str, Any], access: str) -> Iterator[Claim]:
    values = ChainMap(dict(host.variables), dict(defaults))
    # Behind address translation sshd listens elsewhere than where we connect.
    direct = host.address == host.cluster_address
    yield Claim(host.port, host.port, "sshd", "ansible_port") if direct else Claim(22, 22, "sshd", "")
    for component in (c for c in COMPONENTS if c.name in host.groups):
        for port in {(p.variable or p.number): p for p in component.ports if "tcp" in p.protocols}.values():
            if port.opened_by(host.groups, values, access):
                yield from _claims_of(port, values)


def _claims_of(port: Port, values: Mapping[str, Any]) -> Iterator[Claim]:
    if port.ranges:
        with suppress(ValueError):  # what its component's `settings` says
            yield from (Claim(first, last, port.title, port.variable) for first, last in port.ranges(str(values.get(port.variable, ""))))
    else:
        yield Claim(port.on(values), port.on(values), port.title, port.variable)
