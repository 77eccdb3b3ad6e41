"""What a Terraform module tells about its machines: two outputs of the same shape from every target.

    hosts     = { m1 = { address = "192.0.2.11", groups = ["masters"], variables = { … } }, … }
    variables = { cluster_name = "…", ansible_user = "…", … }

`address` is where SSH reaches a machine, `groups` are groups of the inventory, both `variables` are variables of the inventory:
those of one host (may be left out) and those of `all`. A null is as good as nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.model import name_order
from provisioner.errors import InventoryError
from provisioner.inventory import formats
from provisioner.inventory.groups import WRITABLE
from provisioner.inventory.schema import Schema, load_schema

#: What nobody can guess for the operator.
REQUIRED = ("cluster_name", "ansible_user")
_HOST_KEYS = ("address", "groups", "variables")


@dataclass(frozen=True)
class Machine:
    """One host as Terraform knows it."""

    name: str
    address: str
    groups: tuple[str, ...]
    variables: Mapping[str, object]


@dataclass(frozen=True)
class Outputs:
    """All machines by name, and the variables of `all`."""

    hosts: Mapping[str, Machine]
    variables: Mapping[str, object]

    @property
    def cluster_name(self) -> str:
        """The name of the cluster."""
        return str(self.variables["cluster_name"])


def read(outputs: Mapping[str, Any], source: str) -> Outputs:
    """What the outputs say. Raises InventoryError that names the output and what is expected there; `source` is the module."""
    reader = _Reader(source, load_schema())
    for name in ("hosts", "variables"):
        if name not in outputs:
            raise reader.wrong(f"output {name} is missing", "declare it; docs/infra.md shows the shape of both outputs")
    hosts = reader.mapping("hosts", outputs["hosts"])
    if not hosts:
        raise reader.wrong("output hosts is empty", "a cluster has one host at least; if the machines were removed past Terraform, "
                           "'provision infra down' and 'up' make them again")
    variables = reader.variables("variables", outputs["variables"], host=False)
    for name in REQUIRED:
        if name not in variables:
            raise reader.wrong(f"output variables has no {name}", "add it: it holds for all hosts")
    return Outputs({name: reader.machine(name, hosts[name]) for name in sorted(hosts, key=name_order)}, variables)


class _Reader:
    def __init__(self, source: str, schema: Schema) -> None:
        self._source = source
        self._schema = schema

    def wrong(self, message: str, hint: str) -> InventoryError:
        return InventoryError(message, where=self._source, hint=hint)

    def mapping(self, place: str, value: object) -> dict[str, Any]:
        """An object without its nulls."""
        if not isinstance(value, dict):
            raise self.wrong(f"output {place} is {_kind(value)}, expected is a map", "docs/infra.md shows the shape of both outputs")
        return {str(key): item for key, item in value.items() if item is not None}

    def machine(self, name: str, value: object) -> Machine:
        place = f"hosts.{name}"
        if problem := formats.host_name(name):
            raise self.wrong(f"output hosts: the name {name!r} {problem}", "name the machine otherwise")
        found = self.mapping(place, value)
        for key in found.keys() - set(_HOST_KEYS):
            hint = f"expected: {', '.join(_HOST_KEYS)}; all else goes into variables"
            raise self.wrong(f"output {place} has the unknown key {key}", hint)
        address, groups = found.get("address", ""), found.get("groups", [])
        if not isinstance(address, str) or not address:
            raise self.wrong(f"output {place}.address is {_kind(address)}, expected is where SSH reaches the machine",
                             "an address that is only known later shows with the next 'provision infra up'")
        if problem := formats.address(address):
            raise self.wrong(f"output {place}.address: {address!r} {problem}", "give an IP address or a DNS name")
        if not isinstance(groups, list) or not groups or any(group not in WRITABLE for group in groups):
            raise self.wrong(f"output {place}.groups is {groups!r}, expected is a list of groups", f"valid: {', '.join(WRITABLE)}")
        return Machine(name, address, tuple(groups), self.variables(f"{place}.variables", found.get("variables", {}), host=True))

    def variables(self, place: str, value: object, *, host: bool) -> dict[str, object]:
        """Variables of the inventory, each with a value that the inventory would take."""
        found = self.mapping(place, value)
        for name, setting in found.items():
            variable = self._schema.variables.get(name)
            if variable is None or (variable.rendered and variable.scope != "host"):
                hint = "docs/reference/variables.md has them all"
                raise self.wrong(f"output {place} has {name}, which is not an inventory variable", hint)
            if variable.scope == ("cluster" if host else "host"):
                raise self.wrong(f"output {place} has {name}", "it can only stand in "
                                 + ("output variables" if host else "the variables of a host"))
            problem, hint = variable.problem(setting)
            if problem:
                raise self.wrong(f"output {place}.{name} {problem}", hint)
        return found


def _kind(value: object) -> str:
    names = {dict: "a map", list: "a list", bool: "a truth value", type(None): "null", int: "a number", float: "a number"}
    return ("empty" if not value else "text") if isinstance(value, str) else names.get(type(value), type(value).__name__)
