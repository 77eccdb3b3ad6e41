"""`provision status`: leaders, members, problems."""

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
    """The options of `status`."""

    json: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One argument."""
    add_json(parser)


def run(context: Context, console: Console, options: Options) -> int:
    """Print every component on every host; 0 only if the cluster is healthy."""
    import time

    from provisioner.console import status_rows
    from provisioner.errors import StepFailed
    from provisioner.observe.audit.kept import last
    from provisioner.observe.observation import PATIENCE_SECONDS, observe
    from provisioner.observe.status import summarize

    seen = observe(context.cluster, context.rendered, context.one_question, sections=("health",), patience=PATIENCE_SECONDS)
    status = summarize(context.cluster, seen)
    doubt = context.authority_doubt
    audited = last(context.cluster, time.time())
    if options.json:
        console.json({**status.as_json(), "audit": audited, "authority": doubt})
    else:
        console.table(f"{context.cluster.name}: {'healthy' if status.healthy else 'NOT healthy'}",
                      ("component", "host", "state", "", "version", "detail"), status_rows(status.as_json()["components"]))
        for problem in filter(None, (*status.problems, doubt)):
            console.warn(problem)
        if audited:
            console.say(f"audit: {audited}")
    return 0 if status.healthy else StepFailed.exit_code
