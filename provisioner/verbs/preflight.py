"""`provision preflight`: whether every host is fit, before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_json, add_limit, add_strict

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `preflight`."""

    limit: str | None = None
    strict: bool = False
    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All of them are shared."""
    add_limit(parser)
    add_strict(parser)
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print the findings; the exit code is that of the worst."""
    from provisioner.hosts.host_keys import establish
    from provisioner.observe.preflight import Finding, examine

    establish(context.cluster, say=console.say, strict=options.strict)
    context.refuse_unlocked()
    context, report = examine(context, hosts=context.limited(options.limit))
    moved = tuple(Finding("warn", each.host.name, "name", each.message, each.hint) for each in context.moved())
    report = replace(report, findings=(*moved, *report.findings))
    if options.json:
        console.json(report.as_json())
    else:
        console.table("preflight", ("", "host", "check", "finding"), report.rows())
    return report.exit_code
