"""The variables that an inventory may set: `cluster_*`, Ansible's connection variables, and what the roles declare.

The roles' `meta/argument_specs.yml` (entry point `main`) are the one schema of role variables.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from provisioner.errors import ProvisionError
from provisioner.inventory import connection, formats
from provisioner.inventory.connection import Connection
from provisioner.inventory.role_rules import filters, limits
from provisioner.paths import roles_dir
from provisioner.state.problems import show

#: How the description of a variable starts that the driver computes and nobody may set.
#: How the description of a variable begins that belongs between the driver and its roles: nobody else sets it.
RENDERED = "Internal, rendered by the driver. "
#: Where a variable may be written: anywhere; only in the vars of `all`; only at one host.
Scope = Literal["any", "cluster", "host"]
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Variables whose values are never printed.
_SECRET = re.compile("pass(word|phrase|wd)?(_|$)|secret|token|credential|_ca_key$")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "path": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}
_KINDS = {
    "str": "text",
    "path": "text",
    "int": "an integer",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping",
}
_CURES = {
    "str": "put it in quotes",
    "path": "put it in quotes",
    "int": "write digits without quotes",
    "float": "write digits without quotes",
    "bool": "write true or false without quotes",
    "list": "write one '- item' per line below it",
    "dict": "write one 'key: value' per line below it",
}
#: The same in INI's format, where Ansible reads a value as Python would, and a host's line loses one pair of quotes before.
INI_CURES = {
    _CURES["str"]: """put it in quotes: NAME='5' below [all:vars], NAME="'5'" in the line of a host""",
    _CURES["list"]: """write it in one line: NAME=["one", "two"] below [all:vars], NAME='["one", "two"]' in the line of a host""",
    _CURES["dict"]: """write it in one line: NAME={"key": True} below [all:vars], NAME='{"key": True}' in the line of a host""",
    **dict.fromkeys(formats.CURES.values(),
                    """write NAME=["10.1.0.0/16", "10.2.0.5-10.2.0.9"] below [all:vars]: networks by their first address"""),
}


@dataclass(frozen=True)
class Variable:
    """One variable: its type as argument specs name it, and what it means.

    `role` is empty for `cluster_*` and `ansible_*`. `rendered`: the driver computes it. `default` None: there is none. `spec` is the
    folder `meta` of its role; `connection` the row of Ansible's connection variables that it is a name of.
    """

    name: str
    type: str = "str"
    description: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    elements: str = ""
    role: str = ""
    rendered: bool = False
    scope: Scope = "any"
    connection: Connection | None = None
    spec: Path | None = None

    @property
    def limit(self) -> Mapping[str, Any]:
        """What its role says of its values beyond their type; read when asked for, most variables never are."""
        return limits(self.spec).get(self.name, {}) if self.spec else {}

    @property
    def instead(self) -> str:
        """The variable to set instead of one that the driver computes, where its description names one of the cluster or of a host."""
        named = re.search(r"\bcluster_[a-z_]*[a-z]", self.description) if self.rendered else None
        return named[0] if named else ""

    def problem(self, value: object) -> tuple[str, str]:
        """What is wrong with a value and what to do about it; two empty texts when nothing is."""
        if value is None:
            return "has no value", "write one, or remove the line"
        if value == "" and self.default == "":
            return "", ""
        if self.connection:
            if self.connection.followed == "refused":
                return "can't be followed", self.connection.why
            value = connection.as_ansible(self.type, value)
        wrong = _mismatch(self.type, value)
        if wrong:
            return wrong + self._given(value), _CURES[self.type]
        if self.elements and isinstance(value, list):
            for position, element in enumerate(value, 1):
                wrong = _mismatch(self.elements, element)
                if wrong:
                    return f"item {position} {wrong}{self._given(element)}", _CURES[self.elements]
        others = [v for v in (value if isinstance(value, list) else [value]) if v not in self.choices]
        if self.choices and others:
            return f"is none of its choices{self._given(others[0])}", f"one of: {', '.join(map(str, self.choices))}"
        check = self.connection.check if self.connection else None
        wrong = check(value) if check else formats.check(self.name, self.type, value)
        if not wrong and self.limit:
            wrong = filters("limits").outside(value, self.limit)
            return wrong, self.description if wrong else ""
        return (wrong + self._given(value), formats.CURES.get(self.name, self.description)) if wrong else ("", "")

    def _given(self, value: object) -> str:
        """The value, for the end of a sentence about it; nothing where it may hold a password, or is no single value."""
        text = str(value)
        if _SECRET.search(self.name) or ("://" in text and "@" in text) or not isinstance(value, str | int | float):
            return ""
        return f" (given: {show(text) if isinstance(value, str) else text.lower()})"


@dataclass(frozen=True)
class Schema:
    """All variables by name."""

    variables: Mapping[str, Variable] = field(default_factory=dict)

    def defaults(self, role: str) -> dict[str, Any]:
        """The values that one role uses where the inventory says nothing."""
        return {v.name: v.default for v in self.variables.values() if v.role == role and v.default is not None}

    def all_defaults(self) -> dict[str, Any]:
        """The same for all roles together."""
        return {v.name: v.default for v in self.variables.values() if v.role and v.default is not None}

    @functools.cached_property
    def prefixes(self) -> tuple[str, ...]:
        """How the names of our variables begin; no other variable may."""
        roles = {v.role for v in self.variables.values() if v.role}
        return ("ansible_", "cluster_", *sorted(f"{role}_" for role in roles))

    def settable(self, prefix: str = "") -> tuple[str, ...]:
        """What an inventory may set, by name; of several names for the same the one that we use."""
        return tuple(sorted(v.name for v in self.variables.values() if v.name.startswith(prefix) and (
            v.connection.name == v.name and v.connection.followed == "by all" if v.connection else not v.rendered or v.scope == "host")))


#: What holds for the cluster, or for a host whatever it runs.
CLUSTER_VARIABLES = (
    Variable("cluster_name", "str", "Name of the cluster: a-z, 0-9 and '-'. State is kept under it.", "cluster"),
    Variable("cluster_mirror", "str", "URL of a site mirror that replaces the vendors' sites, http(s)://host[:port].", ""),
    Variable("cluster_registry", "str", "Image registry to pull from, host:port.", ""),
    Variable("cluster_http_proxy", "str", "Proxy by which hosts fetch http:// URLs, http://host:port; it lets them in by address.", ""),
    Variable("cluster_https_proxy", "str", "The same for https:// URLs.", ""),
    Variable("cluster_no_proxy", "str", "Hosts and domains to be reached without, with ',' between; masters are among them anyway.", ""),
    Variable("cluster_catalogue", "path", "The mirror's list of artefacts, a path relative to the inventory.", ""),
    Variable("cluster_profile", "str", "Generation of packages; legacy-mirror is the site's copy of the Mesosphere repository.",
             "current", ("current", "legacy-mirror")),
    Variable("cluster_accept_eol", "bool", "Accept the software of legacy-mirror, which gets no security updates any more.", False),
    Variable("cluster_verify_image", "str", "Image with busybox's httpd, of which 'provision verify' runs an app.", ""),
    Variable("cluster_access", "str", "Who may use the cluster without a password: closed, nobody; open, everybody who reaches it. A new "
             "cluster is closed; one that was built keeps what it has.", "", ("closed", "open")),
    Variable("cluster_networks", "list", "Where the hosts' addresses in the cluster are, as networks (10.1.0.0/16) or ranges "
             "(10.1.0.5-10.1.0.9): in a closed cluster nobody else reaches what only members need. Else the /24 around each; a host in "
             "none of them is refused.", [], elements="str"),
    Variable("cluster_operator_networks", "list", "The same for those who use the APIs of a closed cluster; else everybody who has its "
             "passwords.", [], elements="str"),
    Variable("cluster_ca_certificate", "str", "Certificate (PEM, with those above it) of your own authority, to sign for the cluster's "
             "services.", ""),
    Variable("cluster_ca_key", "str", "Its key (PEM, without a password): put it into a vault. It stays on the controller.", ""),
    Variable("cluster_authentication", "bool", "False: Mesos wants no credentials, ZooKeeper's nodes have no owners.", True),
    Variable("cluster_mitogen", "bool", "True: tasks go through mitogen, faster; a killed run may take what it was doing along.", False),
    Variable("cluster_versions", "dict", "Versions to use instead of the catalogue's: component to version.", {}),
)
HOST_VARIABLES = (Variable("cluster_address", "str", "Address the other hosts use for this one; else ansible_host, else its name."),)
CONNECTION_VARIABLES = tuple(
    Variable(each.name, each.type, each.description, each.default, each.choices, connection=each) for each in connection.TABLE
)


@functools.cache
def load_schema(roles: Path | None = None) -> Schema:
    """All variables; `roles` is the folder of roles. Raises ProvisionError for a spec that is none."""
    found = {name: replace(v, name=name) for v in CONNECTION_VARIABLES if v.connection for name in v.connection.names or (v.name,)}
    found |= {v.name: replace(v, scope="cluster") for v in CLUSTER_VARIABLES}
    found |= {v.name: replace(v, scope="host") for v in HOST_VARIABLES}
    for spec in sorted((roles or roles_dir()).glob("*/meta/argument_specs.yml")):
        for variable in _read_spec(spec):
            if variable.name in found:
                raise ProvisionError(f"{variable.name} is declared twice", where=str(spec))
            found[variable.name] = variable
    # The driver hands the ids out; whoever takes over an old ensemble names the ones it has.
    description = "Id in the ZooKeeper ensemble, 1 to 255; else the driver hands one out."
    known = found.get("zookeeper_id", Variable("zookeeper_id", "int", role="zookeeper", rendered=True))
    found["zookeeper_id"] = replace(known, scope="host", description=description)
    return Schema(found)


def _read_spec(path: Path) -> Iterator[Variable]:
    role = path.parent.parent.name
    try:
        options = yaml.load(path.read_text(), Loader=_LOADER)["argument_specs"]["main"].get("options") or {}  # noqa: S506 (the safe one)
        for name, option in options.items():
            description = option.get("description", "")
            text = description if isinstance(description, str) else " ".join(map(str, description))
            yield Variable(
                name,
                option.get("type", "str"),
                text,
                option.get("default"),
                tuple(option.get("choices") or ()),
                str(option.get("elements", "")),
                role,
                rendered=text.startswith(RENDERED),
                spec=path.parent,
            )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise ProvisionError(f"broken argument spec: {error}", where=str(path)) from error


def _mismatch(kind: str, value: object) -> str:
    accepted = _TYPES.get(kind)
    fits = accepted is None or (isinstance(value, accepted) and (kind == "bool" or not isinstance(value, bool)))
    return "" if fits else f"must be {_KINDS[kind]}, not {_name(value)}"


def _name(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return names.get(type(value), "nothing")
