"""`provision credentials`: what an operator needs to get into the services of the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provisioner.verbs.shared.arguments import add_json

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context

EPILOG = """\
Without --show no password is printed. A tool reads one of them by
  provision credentials --show --json"""

#: Addresses of a service that are written in a table.
FEW = 5


@dataclass(frozen=True)
class Options:
    """The options of `credentials`."""

    show: bool = False
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    parser.add_argument("--show", action="store_true", help="print passwords and tokens, too")
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print who gets in where, as the cluster is now. Raises UsageError where there are no secrets yet."""
    from provisioner.state import secrets

    doubt, context = context.access_doubt, context.as_built
    known = secrets.load(context.cluster)
    found = entries(context, known, show=options.show)
    if options.json:
        console.json({"cluster": context.cluster.name, "access": context.ledger.access, "doubt": doubt, "credentials": found})
        return 0
    shown = ("secret",) if options.show else ()
    console.table(f"{context.cluster.name}: {context.ledger.access}", ("service", "address", "user", "may", *shown),
                  ([e["service"], _few(e["addresses"]), e["user"], e["may"], *([e["secret"]] if options.show else [])] for e in found))
    if context.ledger.access != "closed":
        console.warn("this cluster is open: its services do not ask for a password")
    if doubt:
        console.warn(doubt)
    return 0


def _few(addresses: list[str]) -> str:
    left = len(addresses) - FEW
    return " ".join(addresses[:FEW]) + (f" and {left} more" if left > 0 else "")


def entries(context: Context, known: dict[str, str], *, show: bool) -> list[dict[str, Any]]:
    """Each login that this cluster has a secret for: where, who, what they may do; with `show` the secret."""
    from provisioner.components import COMPONENTS
    from provisioner.components.door import called, of

    found, closed = [], context.ledger.access == "closed"
    for component in COMPONENTS:
        for login in (called(each, known) for each in of(component, "LOGINS")):
            secret, members = known.get(f"vault_{login.secret}"), context.cluster.members(component.server_group or component.name)
            if not secret or not members:
                continue
            where = login.url or (closed and component.closed_endpoint) or component.endpoint
            addresses = dict.fromkeys(where.format_map({**context.variables(host), "address": host.cluster_address}) for host in members)
            found.append({"service": component.title, "addresses": list(addresses), "user": login.user, "may": login.may,
                          "name": f"vault_{login.secret}", **({"secret": secret} if show else {})})
    return found
