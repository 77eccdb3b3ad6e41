"""`provision secrets ACTION`: what the cluster keeps secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provisioner.plan.scope import BATCH
from provisioner.verbs import Action
from provisioner.verbs.shared.arguments import add_batch, add_json, add_yes

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
    console.table(f"secrets of {context.cluster.name}", ("secret", "what it is for", "used by", "on", "since", "rotated as"),
                  ([s["name"], s["purpose"], ", ".join(s["used_by"]), host_list(s["hosts"]), s["since"], s["rotated_as"]] for s in found))
    return 0


@dataclass(frozen=True)
class Rotate:
    """The options of `secrets rotate`."""

    names: tuple[str, ...] = ()
    all: bool = False
    batch: str = BATCH
    yes: bool = False


def add_rotate(parser: argparse.ArgumentParser) -> None:
    """The arguments of `secrets rotate`."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="what gets a new value, or a pattern; see 'rotated as' in 'secrets list'")
    parser.add_argument("--all", action="store_true", help="everything that can be rotated")
    add_batch(parser)
    add_yes(parser, "the first change")


def run_rotate(context: Context, console: Console, options: Rotate) -> int:
    """New values, without locking anybody out."""
    from provisioner.verbs.shared.outcome import exit_code
    from provisioner.verbs.shared.rotating import run_rotate as work

    return exit_code(work(context, console, options.names, every=options.all, batch=options.batch, yes=options.yes))


def listed(context: Context) -> list[dict[str, Any]]:
    """Every secret by name: its purpose, the role variables that hold it, the hosts that get it, since when it is what it is."""
    import json
    import re

    from provisioner.components import COMPONENTS
    from provisioner.components.door import of
    from provisioner.components.rotation import rotations
    from provisioner.state import secrets

    known, since = secrets.load(context.cluster), secrets.since(context.cluster)
    purposes = {f"vault_{name}": text for c in COMPONENTS for name, text in dict(of(c, "SECRETS")).items()}
    family = {f"{variable}{suffix}": name for name, (_, each) in rotations().items() for variable in each.variables
              for suffix in ("", "_next", "_old")}
    used: dict[str, dict[str, set[str]]] = {name: {} for name in known}
    every = context.rendered["all"]
    held = [(host.name, every["hosts"][host.name]) for host in context.cluster.hosts]
    for hosts, variables in [([h for h, _ in held], every["vars"]), *(([h], own) for h, own in held)]:
        for variable, value in variables.items():
            for name in set(re.findall(r"\bvault_\w+", json.dumps(value, default=str))) & used.keys():
                used[name].setdefault(variable, set()).update(hosts)
    # The authority's key signs on this machine; a role that names it sends it to no host.
    told = {name: set[str]().union(*places.values()) for name, places in used.items() if not name.startswith(secrets.AUTHORITY_KEY)}
    return [{"name": name, "purpose": purposes.get(name, _stage(name, purposes)), "used_by": sorted(used[name]),
             "hosts": [h for h, _ in held if h in told.get(name, ())], "since": since.get(name, "not known"),
             "rotated_as": family.get(name, "")}
            for name in sorted(known)]


def _stage(name: str, purposes: dict[str, str]) -> str:
    """What a value is for that is there only while its secret is rotated."""
    for suffix, said in (("_next", "the value to come"), ("_old", "the value before"), ("_turn", "which of two names it goes by")):
        if name.endswith(suffix) and name.removesuffix(suffix) in purposes:
            return f"{said}: {purposes[name.removesuffix(suffix)]}"
    return ""


ROTATE_EPILOG = """\
Old and new values are accepted beside each other while hosts change one after
the other, where the program can do that. A run that ends half way is completed
by the next 'provision up'. Examples:
  provision secrets rotate 'consul_*_token'
  provision secrets rotate authority --yes"""

ACTIONS = (
    Action("list", "list the cluster's secrets and what they are for, without their values", List, add_list, run_list, inventory=True),
    Action("rotate", "give secrets new values on the living cluster", Rotate, add_rotate, run_rotate, inventory=True,
           epilog=ROTATE_EPILOG),
)
