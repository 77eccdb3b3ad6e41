"""The only module that prints. On a terminal it draws, elsewhere it writes plain lines; data goes to stdout, the rest to stderr."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from provisioner.cluster.names import FEW, counted, host_list

if TYPE_CHECKING:
    from rich.console import Console as Terminal
    from rich.status import Status as Spinner
    from rich.table import Table

    from provisioner.plan.steps import Plan, Step
    from provisioner.run.engine import Result
    from provisioner.run.outcome import Event, Outcome

STATE_STYLE = {"ok": "green", "degraded": "yellow", "down": "red", "warn": "yellow", "fail": "red"}
#: Wide enough for a status row where stdout is a file or a pipe.
PLAIN_WIDTH = 160
#: Wider than any table.
UNBROKEN = 10_000


class Console:
    """Output of one command. What draws is imported when something is drawn: a rerun with nothing to do says three plain lines."""

    def __init__(self) -> None:
        self._err: Terminal | None = None

    @functools.cached_property
    def out(self) -> Terminal:
        """Standard output as a terminal."""
        from rich.console import Console as Terminal

        class Pipe(Terminal):
            """Who closes the pipe has seen enough: for rich that is an error, for this program the end."""

            def on_broken_pipe(self) -> None:
                raise BrokenPipeError

        return Pipe(highlight=False, width=None if sys.stdout.isatty() else PLAIN_WIDTH)

    @property
    def err(self) -> Terminal:
        """Standard error as a terminal."""
        if self._err is None:
            from rich.console import Console as Terminal

            self._err = Terminal(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PLAIN_WIDTH)
        return self._err

    def progress(self) -> RunProgress:
        """Shows the run that begins now."""
        return RunProgress(self)

    def say(self, text: str) -> None:
        """One line of progress or of news."""
        if self._err is not None:
            self._err.print(text, soft_wrap=True, markup=False)  # a spinner may be turning
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Something the user should know, though the command goes on."""
        if self._err is None and not sys.stderr.isatty():
            self.say(f"warning: {text}")
            return
        from rich.markup import escape

        self.err.print(f"[yellow]warning:[/] {escape(text)}", soft_wrap=True)

    def write(self, text: str) -> None:
        """Data, as it is."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def json(self, value: Any) -> None:
        """Data as one JSON line."""
        self.write(json.dumps(value) + "\n")

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table on stdout; a program that reads it gets each row on one line, however long."""
        made = make_table(title, columns, rows)
        if self.out.is_terminal:
            self.out.print(made)
            return
        self.out.width = UNBROKEN  # more than the console's is not to be had by an argument of `print`
        self.out.print(made)
        self.out.width = PLAIN_WIDTH

    def plan(self, plan: Plan) -> None:
        """What is going to be done."""
        for number, step in enumerate(plan.steps, 1):
            self.say(f"  {number:2d}. {step.describe()}")


def make_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table with coloured states; cells are literal text."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # an address that is cut is none
    for row in rows:
        table.add_row(*(f"[{STATE_STYLE[cell]}]{cell}[/]" if cell in STATE_STYLE else escape(cell) for cell in row))
    return table


@dataclass
class _Running:
    """A step that goes on: its task, and the hosts that are through with it."""

    label: str
    hosts: int
    task: str = ""
    done: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return f"{self.label}: {self.task} {len(self.done)}/{self.hosts} hosts"


class RunProgress:
    """Shows a run: component, hosts done of all, elapsed time, what just failed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._spinner: Spinner | None = None
        self._running: dict[str, _Running] = {}  # by the component's name: no two steps of one go side by side

    def step(self, number: int, total: int, step: Step) -> None:
        """See engine.Progress."""
        self._running[step.component.name] = _Running(f"[{number}/{total}] {step.title}", len(step.hosts))
        if self._console.err.is_terminal and not self._spinner:
            self._spinner = self._console.err.status("")
            self._spinner.start()
            self._draw()

    def event(self, step: Step, event: Event) -> None:
        """See engine.Progress."""
        running = self._running[step.component.name]
        if event["event"] == "task":
            running.task, running.done = str(event["task"]), set()
        elif event["event"] == "result":
            running.done.add(str(event["host"]))
            if event["status"] in ("failed", "unreachable"):
                self._console.say(f"  {event['status']}: {event['host']}: {event['task']}")
        self._draw()

    def done(self, step: Step, outcome: Outcome, seconds: float) -> None:
        """See engine.Progress."""
        label = self._running.pop(step.component.name).label
        if not self._running:
            self._still()
        news = f"{outcome.changed} changed" if outcome.changed else "nothing to change"
        state = "FAILED" if outcome.failures else "lost hosts" if outcome.unreachable else news
        self._say(label, step, f"{state:<18} {seconds:6.1f} s  (total {self._elapsed():.0f} s)")

    def skipped(self, number: int, total: int, step: Step, why: str) -> None:
        """See engine.Progress."""
        self._say(f"[{number}/{total}] {step.title}", step, why)

    def end(self, result: Result) -> None:
        """See engine.Progress."""
        self._still()
        for warning in result.warnings:
            self._console.warn(warning)

    def _say(self, label: str, step: Step, news: str) -> None:
        hosts = step.hosts[0] if len(step.hosts) == 1 else counted(len(step.hosts), "host")
        self._console.say(f"{label:<26} {hosts:<9} {news}")

    def _still(self) -> None:
        if self._spinner:
            self._spinner.stop()
            self._spinner = None

    def _draw(self) -> None:
        if self._spinner:
            from rich.markup import escape

            self._spinner.update(escape(f"{' · '.join(map(str, [*self._running.values()]))}, {self._elapsed():.0f} s"))

    def _elapsed(self) -> float:
        return time.monotonic() - self._begin


def summary(result: Result) -> str:
    """The last line of a run for people."""
    lost = f", not reached: {', '.join(sorted(result.unreachable))}" if result.unreachable else ""
    return f"{result.cluster}: {result.changed} changed, {result.failed} failed{lost} in {result.seconds:.0f} s"


def status_rows(components: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """The rows of `provision status` as cells; more hosts than people read one by one share a row where all but the name is the same."""
    alike: dict[tuple[str, ...], list[str]] = {}
    places: list[tuple[tuple[str, ...], str]] = []
    for c in components:
        version = c["version"] + (" (stand-in)" if c["stand_in"] else "")
        said = (c["component"], c["state"], "leader" if c["leader"] else "", version, c["detail"])
        alike.setdefault(said, []).append(c["host"])
        places.append((said, c["host"]))
    return [[said[0], host if len(names) <= FEW else host_list(names), *said[1:]]
            for said, host in places if len(names := alike[said]) <= FEW or names[0] == host]
