"""What `provision status` does: ask, choose, show."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.cluster.names import host_list, unfold
from provisioner.components import component_names
from provisioner.console import Console, status_rows
from provisioner.context import Context
from provisioner.errors import StepFailed, UsageError
from provisioner.observe.audit.kept import last
from provisioner.observe.observation import PATIENCE_SECONDS, observe
from provisioner.observe.overview import Overview, overview
from provisioner.observe.status import Status, summarize
from provisioner.state.files import refuse_unwritable, rewrite
from provisioner.state.problems import nearest
from provisioner.verbs.status import Options

#: As `provision status --all` heads its columns.
COLUMNS = ("component", "host", "state", "", "version", "detail")


@dataclass(frozen=True)
class Look:
    """How the cluster was when all hosts were asked, and what is to be shown of it."""

    status: Status
    shown: Status
    audit: str
    doubt: str

    @property
    def overview(self) -> Overview:
        """At a glance."""
        return overview(self.status, self.shown)

    def as_json(self) -> dict[str, Any]:
        """The object that `status --json` prints."""
        return {**self.shown.as_json(), "healthy": self.status.healthy, "audit": self.audit, "authority": self.doubt}


def run_status(context: Context, console: Console, options: Options) -> int:
    """Show how the cluster is. Raises UsageError for names that are not in the inventory and for a file that can't be written."""
    if options.all and options.watch is not None:
        raise UsageError("--all and --watch exclude each other", hint="provision status --watch --component COMPONENT, or --json")
    looking = looker(context, options)
    if options.html:
        refuse_unwritable(Path(options.html).resolve())
    if options.watch is None:
        found = looking()
        _write_page(found, options)
        _show(found, console, options)
        return 0 if found.status.healthy else StepFailed.exit_code
    _watch(looking, console, options, options.watch)
    return 0


def title(status: Status) -> str:
    """Of the table of everything."""
    return f"{status.cluster}: {'healthy' if status.healthy else 'NOT healthy'}"


def looker(context: Context, options: Options) -> Callable[[], Look]:
    """What looks at the cluster each time that it is called."""
    components, hosts = _components(options.component), _hosts(context, options.host)
    cluster, rendered, transport, doubt = context.cluster, context.rendered, context.one_question, context.authority_doubt

    def look() -> Look:
        seen = observe(cluster, rendered, transport, sections=("health",), patience=PATIENCE_SECONDS)
        status = summarize(cluster, seen)
        return Look(status, status.only(components, hosts), last(cluster, time.time()), doubt)

    return look


def _show(found: Look, console: Console, options: Options) -> None:
    if options.json:
        console.json(found.as_json())
        return
    if options.all:
        console.table(title(found.status), COLUMNS, status_rows(found.shown.as_json()["components"]))
        for problem in found.shown.problems:
            console.warn(problem)
    else:
        from provisioner.verbs.status.drawing import Drawn

        console.out.print(Drawn(found.overview))
    if found.doubt:
        console.warn(found.doubt)
    if found.audit:
        console.say(f"audit: {found.audit}")


def _watch(looking: Callable[[], Look], console: Console, options: Options, seconds: float) -> None:
    from provisioner.verbs.status.watch import repeat, watch

    def look() -> Look:
        found = looking()
        _write_page(found, options)
        return found

    if options.json:
        repeat(lambda: console.json(look().as_json()), seconds)
    else:
        watch(console, lambda: look().overview, seconds)


def _write_page(found: Look, options: Options) -> None:
    """Readable for others, as a web server is another user; nothing in it is secret. A file that is there keeps its mode."""
    if options.html:
        from provisioner.verbs.status.page import page

        rewrite(Path(options.html), page(found.shown, found.overview, time.time(), options.watch).encode(), new=0o644)


def _components(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in component_names():
            like = nearest(name, component_names())
            raise UsageError(f"--component: no component {name!r}" + (f": did you mean {like!r}?" if like else ""),
                             hint=f"one of {', '.join(component_names())}")
    return names


def _hosts(context: Context, words: tuple[str, ...]) -> tuple[str, ...]:
    known = [host.name for host in context.written.hosts]
    asked = [name for word in words for name in unfold(word)]
    unknown = next((name for name in asked if name not in {*known}), "")
    if unknown:
        like = nearest(unknown, known)
        hint = "'--hosts FILE' names an inventory" if Path(unknown).exists() else f"hosts: {host_list(known)}"
        raise UsageError(f"--host: no host {unknown!r}" + (f": did you mean {like!r}?" if like else ""), where=str(context.path), hint=hint)
    return tuple(asked)
