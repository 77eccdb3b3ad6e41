"""What an audit found: an answer for each knock, and what that means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster.names import counted, host_list, no_answer
from provisioner.components.door import Knock, Place
from provisioner.observe.audit.visits import Target

#: open: a stranger gets something. locked out: the right credentials get nothing. gap: nobody can lock it. answers: it is meant to.
VERDICTS = ("open", "locked out", "gap", "answers", "opens", "shut")
#: Places from where those who have the right credentials get in, by who has to reach a door.
LET_IN = {"operators": ("operator",), "host": ("user",)}


@dataclass(frozen=True)
class Row:
    """One door, tried from one place with one thing. `knock` is what was tried; of several the one that got furthest."""

    host: str
    door: str
    place: str
    key: str
    knock: str
    answer: str
    verdict: str


@dataclass(frozen=True)
class Finding:
    """What else is wrong on a host: `fail` counts, `warn` and `note` are said."""

    severity: str
    host: str
    check: str
    text: str


@dataclass(frozen=True)
class Report:
    """Everything. `doors` counts those that were tried, `silent` are those of them where nothing listens: shut, and no lock was tried."""

    cluster: str
    access: str
    doors: int
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()
    silent: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    unreachable: Mapping[str, str] = field(default_factory=dict)

    @property
    def open_doors(self) -> list[tuple[str, str]]:
        """Host and door."""
        return list(dict.fromkeys((row.host, row.door) for row in self.rows if row.verdict == "open"))

    @property
    def nobody_answered(self) -> bool:
        """No host did, so that nothing is known of any door."""
        return bool(self.unreachable) and not self.doors

    @property
    def failed(self) -> list[Finding]:
        """The findings that count."""
        return [finding for finding in self.findings if finding.severity == "fail"]

    @property
    def locked_out(self) -> list[Row]:
        """Where the right credentials don't open."""
        return [row for row in self.rows if row.verdict == "locked out"]

    @property
    def closed(self) -> bool:
        """Nothing is open, nothing is to be seen, and those who may come in: as far as somebody answered."""
        return not (self.open_doors or self.failed or self.locked_out or self.nobody_answered)

    @property
    def summary(self) -> str:
        """In one line."""
        gaps = len({(row.host, row.door) for row in self.rows if row.verdict == "gap"})
        more = [counted(len(self.failed), "finding")] if self.failed else []
        more += [f"right credentials refused {counted(len(self.locked_out), 'time')}"] if self.locked_out else []
        more += [f"{gaps} with what nobody can lock"] if gaps else []
        count, silent = len(self.open_doors), len(self.silent)
        lost = f"; not tried, as {no_answer(sorted(self.unreachable))}" if self.unreachable else ""
        listening = f", {silent} of which {'has' if silent == 1 else 'have'} no listener" if silent else ""
        return f"{counted(count, 'open door')} of {self.doors}{listening}" + (f" ({', '.join(more)})" if more else "") + lost

    def as_json(self) -> dict[str, Any]:
        """The object that `audit --json` prints."""
        return {"cluster": self.cluster, "access": self.access, "closed": self.closed, "doors": self.doors,
                "open": [{"host": host, "door": door} for host, door in self.open_doors], "rows": [vars(row) for row in self.rows],
                "findings": [vars(finding) for finding in self.findings], "silent": list(self.silent), "untried": list(self.untried),
                "unreachable": dict(self.unreachable)}

    def table(self) -> list[list[str]]:
        """For people: the worst first, and what is the same in one row."""
        rows = [(row.verdict, [row.host], row.door, [row.place], [row.key], row.knock, row.answer) for row in self.rows]
        for column in (4, 3, 1):
            rows = _merged(rows, column)
        rows.sort(key=lambda row: (VERDICTS.index(str(row[0])), row[2]))
        return [[host_list(row[1]), row[2], ", ".join(row[3]), ", ".join(row[4]), _said(row[5], row[6]), str(row[0])] for row in rows]


def _said(knock: str, answer: str) -> str:
    return f"{knock}: {answer}" if knock else answer


def _merged(rows: Iterable[Sequence[Any]], column: int) -> list[Any]:
    """Rows that differ in nothing but this column, as one."""
    alike: dict[str, list[Any]] = {}
    for row in rows:
        rest = repr([*row[:column], *row[column + 1:]])
        if rest in alike:
            alike[rest][column] = list(dict.fromkeys([*alike[rest][column], *row[column]]))
        else:
            alike[rest] = list(row)
    return list(alike.values())


def judged(target: Target, place: Place, own: bool, answers: Sequence[Sequence[Any]], right: Sequence[str], address: str = "") -> list[Row]:
    """One door from one place: for each thing that it was tried with the answer that says most, and gaps on their own.

    `answers`: number of the knock, with what, kind, words. `own`: the place is on the door's own host. `right`: the keys that are. Whom the
    network rules are to keep from connecting has found a door open when there is a connection, whatever is said then; an operator comes
    from `address`.
    """
    best: dict[tuple[str, bool], tuple[int, Row]] = {}
    connected = target.protocol == "tcp" and any(number >= 0 and kind != "failed" for number, _, kind, _ in answers)
    if connected and target.stranger(place, own, address):
        row = Row(target.host.name, target.name, place, "nothing", "a connection", "no network rule stops it", "open")
        best[("nothing", False)] = (-1, row)
    for number, key, kind, words in answers:
        if kind == "failed":
            continue
        for name in [key] if number >= 0 else ["nothing", *right]:
            knock = target.knocks[number] if number >= 0 else None
            verdict = _verdict(target, place, own, name in right, kind, knock)
            text = f"{words}: {knock.gap}" if knock and verdict == "gap" else words
            row = Row(target.host.name, target.name, place, name, knock.title if knock else "", text, verdict)
            known = best.get((name, verdict == "gap"))
            # Of several addresses one that lets the right one in is enough.
            rank = -1 if verdict == "opens" else 2 * VERDICTS.index(verdict) + (kind == "shut")
            if known is None or rank < known[0]:
                best[(name, verdict == "gap")] = (rank, row)
    return [row for _, row in best.values()]


def _verdict(target: Target, place: Place, own: bool, right: bool, kind: str, knock: Knock | None) -> str:
    if right:
        if kind == "open":
            return "opens"
        return "locked out" if place in LET_IN.get(target.reach, ()) and (own or place == "operator") else "shut"
    if kind != "open":
        return "shut"
    if knock and knock.gap:
        return "gap"
    # What is said to every user of a host root hears, too.
    if own and ({place, "user"} if place == "member" else {place}) & set(target.door.answers):
        return "answers"
    return "answers" if place == "member" and knock and knock.for_members else "open"


def by_door(rows: Iterable[Sequence[Any]]) -> Mapping[int, list[Sequence[Any]]]:
    """What the knocking program answers, by the number of the door."""
    found: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for number, *rest in rows:
        found[number].append(rest)
    return found
