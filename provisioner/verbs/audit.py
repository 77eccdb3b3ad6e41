"""`provision audit`: try every door of the cluster from five places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_json, add_limit

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context

EPILOG = """\
Tries each door from this machine, as an unprivileged user of a host, as root
of one, and from containers on an agent's bridge and on the overlay network:
with nothing, with wrong and with the right credentials. Nothing is changed,
also where a door is open."""
#: What a script asks for: not everything is locked.
OPEN = 1
CODES = {OPEN: "a door is open, a secret in sight, somebody locked out"}


@dataclass(frozen=True)
class Options:
    """The options of `audit`."""

    limit: str | None = None
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All of them are shared."""
    add_limit(parser)
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print what was tried and what came of it; 0 only if nothing is open and every host answered.

    Raises UnreachableError where none did, as no door was tried then, and UsageError where there is no cluster yet.
    """
    from provisioner.cluster.names import no_answer
    from provisioner.errors import UnreachableError, UsageError
    from provisioner.hosts.host_keys import establish
    from provisioner.observe.audit.auditor import Auditor
    from provisioner.observe.audit.kept import keep
    from provisioner.state import secrets
    from provisioner.state.secrets import secrets_path

    cluster = context.cluster
    known = secrets.load(cluster) if secrets_path(cluster).exists() else {}
    if not known:
        raise UsageError("there is no cluster yet whose doors could be tried", where=str(context.path), hint="'provision up' builds it")
    hosts, doubt, context = context.limited(options.limit), context.access_doubt, context.as_built
    establish(cluster, say=console.say, hosts=hosts)
    report = Auditor(cluster, context.variables, context.transport, known, context.ledger.access, console.say).audit(hosts)
    if not hosts and not report.unreachable:
        keep(cluster, report)
    if options.json:
        console.json({**report.as_json(), "doubt": doubt})
    if report.nobody_answered:
        raise UnreachableError(f"no door was tried: {no_answer(report.unreachable)}: {next(iter(report.unreachable.values()))}",
                               hint="provision preflight")
    if not options.json:
        console.table(f"{cluster.name}: {report.summary}", ("host", "door", "from", "with", "answer", ""), report.table())
        console.table("findings", ("", "host", "check", "finding"), ([f.severity, f.host, f.check, f.text] for f in report.findings))
        if report.access != "closed":
            console.warn("this cluster is open: docs/access.md says how doors are locked")
        if doubt:
            console.warn(doubt)
        for name, why in report.unreachable.items():
            console.warn(f"{name} was not looked at: {why}")
        console.say(report.summary)
    if not report.closed:
        return OPEN
    return UnreachableError.exit_code if report.unreachable else 0
