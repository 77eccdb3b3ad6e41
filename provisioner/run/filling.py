"""Carries out the steps `fill`: a host of the site gets what its mirror is to serve."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provisioner.components import SITE
from provisioner.context import Context
from provisioner.errors import StepFailed
from provisioner.inventory import site
from provisioner.mirror.folder import Folder
from provisioner.mirror.sending import content, send
from provisioner.plan.steps import Step
from provisioner.run.outcome import Event, Executor, Outcome


def filling(context: Context, say: Callable[[str], None]) -> Executor:
    """See outcome.Executor. While it sends nobody else changes the folder. Raises StepFailed where there is none, LockedError."""
    def fill(step: Step, hosts: Sequence[str], on_event: Callable[[Event], None]) -> Outcome:
        found = site.folder(context.cluster)
        if not found or not site.content(context.cluster) or SITE.site is None:
            raise StepFailed("there is no mirror that could be sent", where=str(found or context.path),
                             hint="make it with 'provision mirror pull', and set mirror_folder to its folder")
        outcome, folder = Outcome(), Folder(found)
        with folder.ours():
            what = content(folder)
            for host in map(context.cluster.host, hosts):
                came = send(what, host, str(context.variables(host)[SITE.site.data]), context.transport, say)
                outcome.tasks += 1
                outcome.changed += bool(came)
                outcome.changed_tasks += [f"{host.name}: {came} files of the mirror came"] if came else []
        return outcome

    return fill
