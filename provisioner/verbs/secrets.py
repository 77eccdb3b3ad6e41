"""`provision secrets ACTION`: what the cluster keeps secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provisioner.verbs import Action
from provisioner.verbs.shared.arguments import add_json

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class List:
    """The options of `secrets list`."""

    json: bool = False


def add_list(parser: argparse.ArgumentParser) -> None:
    """The arguments of `secrets list`."""
    add_json(parser)


def run_list(context: Context, console: Console, options: List) -> int:
    """Print each secret without its value. Raises UsageError where there are none yet."""
    from provisioner.cluster.names import host_list

    found = listed(context)
    if options.json:
        console.json({"cluster": context.cluster.name, "secrets": found})
        return 0
    console.table(f"secrets of {context.cluster.name}", ("secret", "what it is for", "used by", "on", "since"),
                  ([s["name"], s["purpose"], ", ".join(s["used_by"]), host_list(s["hosts"]), s["since"]] for s in found))
    return 0


def listed(context: Context) -> list[dict[str, Any]]:
    """Every secret by name: its purpose, the role variables that hold it, the hosts that get it, since when it is what it is."""
    import json
    import re

    from provisioner.components import COMPONENTS
    from provisioner.components.door import of
    from provisioner.state import secrets

    known, since = secrets.load(context.cluster), secrets.since(context.cluster)
    purposes = {f"vault_{name}": text for c in COMPONENTS for name, text in dict(of(c, "SECRETS")).items()}
    used: dict[str, dict[str, set[str]]] = {name: {} for name in known}
    every = context.rendered["all"]
    held = [(host.name, every["hosts"][host.name]) for host in context.cluster.hosts]
    for hosts, variables in [([h for h, _ in held], every["vars"]), *(([h], own) for h, own in held)]:
        for variable, value in variables.items():
            for name in set(re.findall(r"\bvault_\w+", json.dumps(value, default=str))) & used.keys():
                used[name].setdefault(variable, set()).update(hosts)
    return [{"name": name, "purpose": purposes.get(name, ""), "used_by": sorted(used[name]),
             "hosts": [h for h, _ in held if any(h in hosts for hosts in used[name].values())], "since": since.get(name, "not known")}
            for name in sorted(known)]


ACTIONS = (
    Action("list", "list the cluster's secrets and what they are for, without their values", List, add_list, run_list, inventory=True),
)
