"""`provision verify`: prove end to end that the stack works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.verbs.shared.arguments import add_json

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context


@dataclass(frozen=True)
class Options:
    """The options of `verify`."""

    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All arguments."""
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Deploy an app and a job, follow them through the whole chain, clean up; 0 if every link holds."""
    from provisioner.errors import StepFailed
    from provisioner.verbs.verify.work import verify

    report = verify(context.cluster, context.rendered, context.transport, console.say)
    if options.json:
        console.json(report.as_json())
    return 0 if report.ok else StepFailed.exit_code
