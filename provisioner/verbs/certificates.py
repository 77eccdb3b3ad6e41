"""`provision certificates`: which certificates there are, and when each ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_json, add_limit

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context

EPILOG = "'provision up' renews what ends within 30 days."
CODES = {5: "a certificate has ended, or is not the cluster's"}


@dataclass(frozen=True)
class Options:
    """The options of `certificates`."""

    authority: bool = False
    limit: str | None = None
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One of its own."""
    parser.add_argument("--authority", action="store_true", help="print what browsers and colleagues have to trust (PEM), and ask no host")
    add_limit(parser)
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print the authority and every certificate, what ends first first; 0 only if all are valid and every host answered."""
    from provisioner.errors import StepFailed, UnreachableError
    from provisioner.hosts.host_keys import establish
    from provisioner.observe.certificates import ask_hosts, authority, judged

    if options.authority:
        return _authority(context, console, options)
    cluster, hosts = context.cluster, context.limited(options.limit)
    trusted = authority(context) if context.as_built.ledger.access == "closed" else None
    establish(cluster, say=console.say, hosts=hosts)
    found, lost = ask_hosts(cluster, context.transport, hosts)
    rows = judged(found, trusted)
    if options.json:
        console.json({"cluster": cluster.name, "certificates": [vars(row) for row in rows], "unreachable": lost})
    else:
        console.table(f"certificates of {cluster.name}", ("host", "file", "made out to", "ends", "days", ""),
                      ([r.host, r.path, r.name, r.ends, str(r.days), r.problem or "ok"] for r in rows))
        for name, why in lost.items():
            console.warn(f"{name} was not asked: {why}")
        if doubt := context.authority_doubt:
            console.warn(doubt)
    if any(row.problem and not row.due for row in rows):
        return StepFailed.exit_code
    return UnreachableError.exit_code if lost else 0


def _authority(context: Context, console: Console, options: Options) -> int:
    """What the hosts trust, too: of two authorities while one follows the other. Raises UsageError where there is none yet."""
    from provisioner.state import secrets

    text = secrets.trusted(secrets.load(context.cluster))
    if context.as_built.ledger.access != "closed":
        console.warn("this cluster is open: none of its services shows a certificate")
    if options.json:
        console.json({"cluster": context.cluster.name, "authority": text})
    else:
        console.write(text)
    return 0
