"""A cluster at a glance, for terminals and pipes: symbols and words, so that it reads without colour too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from provisioner.cluster.names import counted
from provisioner.console import STATE_STYLE
from provisioner.observe.overview import SYMBOLS, Overview

#: Where the output has no other characters, as those of a terminal in an older encoding.
ASCII_SYMBOLS = {"ok": "+", "degraded": "!", "down": "x"}
_ASCII = str.maketrans({"→": "->", "…": "..."})
#: Spaces between columns; and how much must be left for the last one, that its lines don't become a column of syllables.
GAP, ROOM_LEAST = 2, 35
COLUMNS = ("", "component", "leader", "members", "version", "detail")


@dataclass(frozen=True)
class Drawn:
    """An overview as rich draws it; `foot` is a last line about the picture itself."""

    overview: Overview
    foot: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What rich asks for."""
        pen = _Pen(options.ascii_only)
        yield pen.text(self.overview.headline, f"bold {'green' if self.overview.healthy else 'red'}")
        if self.overview.troubles or self.overview.notes:
            yield pen.troubles(self.overview)
        if self.overview.hidden:
            yield pen.text(f"{counted(self.overview.hidden, 'problem')} of what is not shown: 'provision status' has all")
        if self.overview.lines:
            yield pen.text("")
            yield pen.lines(self.overview, options.max_width)
        if self.foot:
            yield pen.text(self.foot, "dim")


@dataclass(frozen=True)
class _Pen:
    """Makes texts that the output can hold."""

    ascii_only: bool

    def text(self, text: str, style: str = "") -> Text:
        """Literal text."""
        if self.ascii_only:
            text = text.translate(_ASCII).encode("ascii", "backslashreplace").decode()
        return Text(text, style, overflow="fold")

    def state(self, state: str) -> Text:
        """A symbol, and the word that it stands for."""
        return self.text(f"{(ASCII_SYMBOLS if self.ascii_only else SYMBOLS)[state]} {state}", STATE_STYLE[state])

    def troubles(self, overview: Overview) -> Table:
        """What is wrong, then what is worth knowing, one below the other."""
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for trouble in (*overview.troubles, *overview.notes):
            table.add_row(self.state(trouble.state), self.text(trouble.text))
            if trouble.hint:
                table.add_row("", self.text(f"→ {trouble.hint}"))
        return table

    def lines(self, overview: Overview, width: int) -> Table:
        """A line for each component; what does not fit beside the rest is left out."""
        rows = [(self.state(line.state), *map(self.text, (line.component, line.leader, line.members, line.version, line.detail)))
                for line in overview.lines]
        room = width - sum(max(len(name), *(row[at].cell_len for row in rows)) + GAP for at, name in enumerate(COLUMNS[:-1]))
        table = Table(header_style="bold", box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for name in COLUMNS[:None if room >= ROOM_LEAST else -1]:
            table.add_column(name, overflow="fold", no_wrap=name in COLUMNS[:2])
        for row in rows:
            table.add_row(*row[:len(table.columns)])
        return table
