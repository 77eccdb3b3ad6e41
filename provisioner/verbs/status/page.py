"""`provision status --html`: the cluster as one page that needs nothing else. Whatever hosts said is text in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from provisioner.cluster.model import name_order
from provisioner.observe.observation import STATES
from provisioner.observe.overview import SYMBOLS, Line, Overview, Trouble, worst
from provisioner.observe.status import Row, Status

LEADS = "★"
#: Nothing is loaded and nothing runs, even if something hostile came through as more than text.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
STYLE = Path(__file__).parent / "page.css"


def page(shown: Status, overview: Overview, now: float, again: float | None = None) -> str:
    """The page of a cluster as it was at a time, in seconds since 1970. `again`: the browser asks for it so often, in seconds."""
    time = datetime.fromtimestamp(now, UTC)
    said = overview.headline
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        *([f'<meta http-equiv="refresh" content="{max(1, round(again))}">'] if again else []),
        '<meta name="viewport" content="width=device-width, initial-scale=1">', '<meta name="color-scheme" content="light dark">',
        f"<title>{escape(said)}</title>", f"<style>\n{STYLE.read_text()}</style>", "</head>", "<body>", "<main>",
        f'<h1 class="{"ok" if overview.healthy else "down"}">{escape(said)}</h1>',
        f'<p>As of <time datetime="{time:%Y-%m-%dT%H:%M:%SZ}">{time:%Y-%m-%d %H:%M:%S} UTC</time>.</p>',
        *_troubles(overview), *_components(overview), *_hosts(shown), "</main>", "</body>", "</html>", ""])


def _troubles(overview: Overview) -> Iterator[str]:
    if overview.troubles:
        yield '<h2>What is wrong</h2>\n<ul class="troubles">'
        yield from (f'<li class="{trouble.state}">{_state(trouble.state)} {_said(trouble)}</li>' for trouble in overview.troubles)
        yield "</ul>"
    if overview.notes:
        yield '<h2>Worth knowing</h2>\n<ul class="troubles">'
        yield from (f'<li class="{note.state}">{_said(note)}</li>' for note in overview.notes)
        yield "</ul>"
    if overview.hidden:
        yield f"<p>Not all is shown: {overview.hidden} more is wrong elsewhere.</p>"


def _said(trouble: Trouble) -> str:
    return escape(trouble.text) + (f'<span class="hint">→ {escape(trouble.hint)}</span>' if trouble.hint else "")


def _components(overview: Overview) -> Iterator[str]:
    columns = ("Component", "State", "Leader", "Members", "Version", "Detail")
    lines = sorted(overview.lines, key=lambda line: -STATES.index(line.state))
    yield from _table("components", "Components", columns, map(_component, lines))


def _table(name: str, title: str, columns: Iterable[str], rows: Iterable[str]) -> Iterator[str]:
    """A table that scrolls where it is too wide, also by keyboard."""
    yield f'<h2 id="{name}">{title}</h2>'
    yield f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}">\n<table class="{name}">\n<thead><tr>'
    yield from (f'<th scope="col"><span>{escape(column)}</span></th>' for column in columns)
    yield "</tr></thead>\n<tbody>"
    yield from rows
    yield "</tbody>\n</table>\n</div>"


def _component(line: Line) -> str:
    cells = "".join(f"<td>{escape(text)}</td>" for text in (line.leader, line.members, line.version, line.detail))
    return f'<tr class="{line.state}"><th scope="row">{escape(line.component)}</th><td>{_state(line.state)}</td>{cells}</tr>'


def _hosts(shown: Status) -> Iterator[str]:
    """Hosts by components, those with the worst first, for each how it is there and whether it leads."""
    components = [*dict.fromkeys(row.component for row in shown.rows)]
    by_host: dict[str, dict[str, Row]] = {}
    for row in shown.rows:
        by_host.setdefault(row.host, {})[row.component] = row
    hosts = sorted(by_host, key=lambda name: (_badness(by_host[name]), name_order(name)))
    yield from _table("hosts", "Hosts", ("Host", *components), (_host(name, map(by_host[name].get, components)) for name in hosts))
    yield f"<p>{' '.join(map(_state, STATES))} {LEADS} leads. Point at a field for what the host says of it.</p>"


def _host(name: str, rows: Iterable[Row | None]) -> str:
    found = [*rows]
    state = worst(row.state for row in found if row)
    return f'<tr><th scope="row" class="{state}">{escape(name)}</th>{"".join(map(_cell, found))}</tr>'


def _badness(rows: dict[str, Row]) -> tuple[int, ...]:
    """What sorts before where more is down, then where more is degraded."""
    return tuple(-sum(row.state == state for row in rows.values()) for state in reversed(STATES) if state != "ok")


def _cell(row: Row | None) -> str:
    if row is None:
        return "<td></td>"
    said = escape(", ".join(filter(None, (row.state, "leads" if row.leader else "", row.version, row.detail))))
    mark = SYMBOLS[row.state] + (LEADS if row.leader else "")
    return f'<td class="{row.state}" title="{said}"><span role="img" aria-label="{said}">{mark}</span></td>'


def _state(state: str) -> str:
    return f'<span class="state {state}"><span aria-hidden="true">{SYMBOLS[state]}</span> {state}</span>'
