"""Cluster in, complete Ansible inventory out: component groups, quorum sizes, ids, connection strings, pinned artefacts.

Rendering is deterministic: the same input gives the same bytes, and a host more changes only the lines it must.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from provisioner.cluster.catalogue import Catalogue
from provisioner.cluster.model import GROUPS, Cluster, Host
from provisioner.components import COMPONENTS, SERVER_GROUPS
from provisioner.inventory.described import TEMPLATE_MARKS, UNGROUPED, Secret, Template, texts
from provisioner.inventory.following import Following
from provisioner.inventory.wiring import Wiring
from provisioner.state.ledger import Ledger

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WIDTH = 160
_encoded = json.JSONEncoder().encode


def render(cluster: Cluster, ledger: Ledger, catalogue: Catalogue, defaults: Mapping[str, Any],
           following: Following | None = None) -> dict[str, Any]:
    """The inventory as Ansible's YAML plugin reads it.

    `defaults` are the roles' own default values; `following` says what a lock makes of it. What is the same on every host stands once,
    under `all`.
    """
    cluster = _sized(cluster, ledger)
    wiring = Wiring(cluster, ledger, catalogue, defaults, following or Following())
    per_host = {host.name: _host_variables(host, wiring) for host in cluster.hosts}
    shared = _shared(per_host)
    hosts = {name: {k: v for k, v in sorted(values.items()) if k not in shared} for name, values in per_host.items()}
    groups: dict[str, Any] = {
        name: {"hosts": {h.name: {} for h in cluster.hosts if name in h.groups}}
        for name in (*(c.name for c in COMPONENTS), *SERVER_GROUPS, *_own_groups(cluster))
    }
    return {"all": {"vars": dict(sorted(shared.items())), "hosts": hosts, "children": groups}}


def host_variables(rendered: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What one host sees of a rendered inventory."""
    return {**rendered["all"]["vars"], **rendered["all"]["hosts"][name]}


def to_json(rendered: Mapping[str, Any]) -> str:
    """The bytes that Ansible reads: `json.dumps(rendered, indent=1)`, which takes ten thousand hosts several seconds."""
    every, known = rendered["all"], dict[str, str]()
    hosts = {name: _object({variable: _indented(value, 4, known) for variable, value in own.items()}, 3)
             for name, own in every["hosts"].items()}
    parts = {part: _object(hosts, 2) if part == "hosts" else _indented(content, 2, known) for part, content in every.items()}
    return _object({"all": _object(parts, 1)}, 0) + "\n"


def _indented(value: Any, depth: int, known: dict[str, str]) -> str:
    """A value as JSON, so deep inside others. `known` is what was written at this depth: most hosts are told what others are."""
    short = f"{depth}{_encoded(value)}"
    if short not in known:
        # No text in JSON holds a line break.
        known[short] = json.dumps(value, indent=1).replace("\n", "\n" + " " * depth)
    return known[short]


def _object(members: Mapping[str, str], depth: int) -> str:
    """An object of JSON out of its members' JSON, so deep inside others."""
    if not members:
        return "{}"
    outer, inner = "\n" + " " * depth, "\n" + " " * (depth + 1)
    return "{" + ",".join([f"{inner}{_encoded(name)}: {text}" for name, text in members.items()]) + outer + "}"


def to_yaml(rendered: Mapping[str, Any]) -> str:
    """The same for people, in the YAML that Ansible reads (1.1: an unquoted off would be false)."""
    every = rendered["all"]
    # Host by host: the nodes and events of ten thousand hosts at once take a gigabyte.
    hosts = "".join(_block({name: values}, 4) for name, values in every["hosts"].items())
    return f"all:\n{_block({'vars': every['vars']}, 2)}  hosts:\n{hosts}{_block({'children': every['children']}, 2)}"


def _block(content: Mapping[str, Any], indent: int) -> str:
    """A mapping as YAML, so far to the right."""
    text = yaml.dump(json.loads(json.dumps(content)), Dumper=_DUMPER, sort_keys=False, width=_WIDTH - indent)
    return "".join(" " * indent + line if line.strip() else line for line in text.splitlines(keepends=True))


def _host_variables(host: Host, wiring: Wiring) -> dict[str, Any]:
    values = {k: _written(v) for k, v in host.variables.items() if not k.startswith("cluster_")}
    values["ansible_host"] = host.address
    if wiring.proxy_environment:
        values["proxy_environment"] = wiring.proxy_environment
    for component in COMPONENTS:
        if component.name in host.groups:
            part = component.part("wiring")
            values.update(part.variables(host, wiring) if part else {})
    return values


def _own_groups(cluster: Cluster) -> list[str]:
    """The groups that only the inventory's owner knows the meaning of."""
    return sorted(set().union(*(h.groups for h in cluster.hosts)) - GROUPS - {UNGROUPED})


def _written(value: Any) -> Any:
    """A value of the user's as Ansible is to find it: a secret as a reference, and what looks like a template marked as none."""
    if isinstance(value, dict):
        return {key: _written(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_written(inner) for inner in value]
    if isinstance(value, Secret):
        return f"{{{{ {secret_name(value)} }}}}"
    if isinstance(value, str) and not isinstance(value, Template) and any(mark in value for mark in TEMPLATE_MARKS):
        return {"__ansible_unsafe": value}
    return value


def secret_name(secret: Secret) -> str:
    """The variable that a secret of the inventory is referred to by."""
    return f"vault_inventory_{secret.label}"


def inventory_secrets(cluster: Cluster) -> dict[str, str]:
    """What came out of the user's own vaults, by the name under which the rendered inventory refers to it."""
    return {secret_name(text): str(text) for host in cluster.hosts for value in host.variables.values() for text in texts(value)
            if isinstance(text, Secret)}


def _sized(cluster: Cluster, ledger: Ledger) -> Cluster:
    """The cluster with the sizes of a host that carries all of it, where the inventory says nothing of them."""
    hosts = (replace(h, variables={**{k: v for c in COMPONENTS if c.name in h.groups for k, v in c.small.items()}, **h.variables})
             if h.name in ledger.small else h for h in cluster.hosts)
    return replace(cluster, hosts=tuple(hosts)) if ledger.small else cluster


def _shared(per_host: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Variables that every host has with the same value."""
    first, *rest = per_host.values()
    return {k: v for k, v in first.items() if all(k in other and (other[k] is v or other[k] == v) for other in rest)}
