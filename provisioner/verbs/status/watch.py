"""`provision status --watch`: on a terminal a picture that is drawn again, elsewhere a line for each change."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from provisioner.observe.overview import Overview

if TYPE_CHECKING:
    from provisioner.console import Console


def repeat(once: Callable[[], None], seconds: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Do it again and again, with so many seconds between, until Ctrl-C."""
    try:
        while True:
            once()
            sleep(seconds)
    except KeyboardInterrupt:
        pass


def watch(console: Console, look: Callable[[], Overview], seconds: float, *, sleep: Callable[[float], None] = time.sleep) -> None:
    """Look and show until Ctrl-C; hosts that don't answer are a part of the picture."""
    if console.out.is_terminal:
        _on_terminal(console, look, seconds, sleep)
        return
    told = Told()

    def tell() -> None:
        for line in told.changes(look()):
            console.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")

    repeat(tell, seconds, sleep=sleep)


def _on_terminal(console: Console, look: Callable[[], Overview], seconds: float, sleep: Callable[[float], None]) -> None:
    from rich.live import Live

    from provisioner.verbs.status.drawing import Drawn

    seen: list[Overview] = []
    with Live(console=console.out, auto_refresh=False, transient=True) as live:
        def draw() -> None:
            seen[:] = [look()]
            foot = f"as of {datetime.now().astimezone():%H:%M:%S}, every {seconds:g} s; Ctrl-C ends"
            live.update(Drawn(seen[0], foot), refresh=True)

        repeat(draw, seconds, sleep=sleep)
    for last in seen:
        console.out.print(Drawn(last))  # where it is higher than the screen, it was cut there


@dataclass
class Told:
    """What was said of a cluster so far."""

    headline: str = ""
    troubles: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def changes(self, now: Overview) -> Iterator[str]:
        """What is new since; from the second time on also who leads, and what runs in another version."""
        if now.headline != self.headline:
            yield now.headline
        troubles = {trouble.text: trouble.state for trouble in now.troubles}
        yield from (f"over: {text}" for text in self.troubles if text not in troubles)
        yield from (f"{state}: {text}" for text, state in troubles.items() if text not in self.troubles)
        facts = {f"{line.component} is led by": line.leader for line in now.lines if line.leader}
        facts |= {f"{line.component} runs in version": line.version for line in now.lines if line.version}
        yield from (f"{what} {value}" for what, value in facts.items() if self.facts and self.facts.get(what) != value)
        self.headline, self.troubles, self.facts = now.headline, troubles, {**self.facts, **facts}
