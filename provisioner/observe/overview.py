"""What `provision status` shows first: what is wrong, then one line a component; equal hosts share their words. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from provisioner.cluster.names import counted, fold
from provisioner.components import COMPONENTS, component
from provisioner.observe.observation import STATES
from provisioner.observe.status import Problem, Row, Status

#: Beside its word, so that a state is seen before it is read, also without colour.
SYMBOLS = {"ok": "✓", "degraded": "!", "down": "✗"}
#: Beside what most healthy members say, so many other answers are shown, the rarest.
ANSWERS_MOST = 2
#: So many words of names that are well are still read beside those that are not.
WORDS_MOST = 2
#: Counts and addresses, in which answers may differ and mean the same.
_NUMBER = re.compile(r"[0-9][0-9.:]*")


@dataclass(frozen=True)
class Trouble:
    """What is wrong, for people: `state` is `down` or `degraded`, of a note `ok`; `hint` is what to do next where that is known."""

    state: str
    text: str
    hint: str = ""


@dataclass(frozen=True)
class Line:
    """One component: the worst that can be said of it as a whole, its leaders, its members, their versions and what they say when all
    is well."""

    component: str
    state: str
    leader: str
    members: str
    version: str
    detail: str


@dataclass(frozen=True)
class Overview:
    """A cluster at a glance. `notes` are no trouble; `hidden` troubles are of what was not chosen to be shown."""

    headline: str
    healthy: bool
    troubles: tuple[Trouble, ...]
    lines: tuple[Line, ...]
    notes: tuple[Trouble, ...] = ()
    hidden: int = 0


def overview(status: Status, shown: Status | None = None) -> Overview:
    """The whole in a headline, and below it what was chosen to be `shown` (see `Status.only`); all of it where nothing was."""
    chosen = shown or status
    return Overview(_headline(status), status.healthy, tuple(_troubles(chosen)), tuple(_lines(chosen)),
                    tuple(Trouble(note.state, note.text, note.hint) for note in chosen.notes),
                    len([*_troubles(status)]) - len([*_troubles(chosen)]))


def worst(states: Iterable[str]) -> str:
    """The worst of these states; `ok` where there are none."""
    return max(states, key=STATES.index, default=STATES[0])


def _headline(status: Status) -> str:
    hosts = {row.host for row in status.rows}
    ill = {row.host for row in status.rows if row.state != "ok"} | {h for p in status.wrong if not p.component for h in p.hosts}
    names = {name for name, _ in _by_component(status)}
    sick = [name for name, rows in _by_component(status) if _state(status, rows) != "ok"]
    if status.healthy:
        return f"{status.cluster}: healthy, {counted(len(hosts), 'host')}, {counted(len(names), 'component')}"
    of = [f"{len(some)} of {counted(len(every), what)}" for some, every, what in ((ill, hosts, "host"), (sick, names, "component")) if some]
    return f"{status.cluster}: NOT healthy" + (f", {' and '.join(of)} affected" if of else "")


def _troubles(status: Status) -> Iterator[Trouble]:
    """Hosts first, then components in the order in which one stands on another: a cause before what comes of it."""
    yield from _of_hosts([p for p in status.wrong if not p.component])
    silent = {host for p in status.wrong if not p.component and p.state == "down" for host in p.hosts}
    for each in COMPONENTS:
        told: dict[str, str] = {}
        for problem in (p for p in status.wrong if p.component == each.name):
            yield Trouble(problem.state, problem.text, problem.hint)
            told |= {host: f"{told.get(host, '')}{problem.text}\n" for host in problem.hosts}
        own = [row for row in status.rows if row.component == each.name and row.host not in silent]
        yield from _of_rows([row for row in own if row.detail not in told.get(row.host, "") or row.host not in told])


def _of_hosts(problems: Sequence[Problem]) -> Iterator[Trouble]:
    alike: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.state, problem.cause or problem.text, problem.hint), []).append(problem)
    for (state, _, hint), same in alike.items():
        others = fold([host for problem in same[1:] for host in problem.hosts])
        yield Trouble(state, same[0].text + (f"; the same with {others}" if others else ""), hint)


def _of_rows(rows: Sequence[Row]) -> Iterator[Trouble]:
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.state != "ok":
            alike.setdefault((row.state, row.detail), []).append(row)
    for state, detail in sorted(alike, key=lambda each: -STATES.index(each[0])):
        same = alike[state, detail]
        said = f": {detail}" if detail else ""
        hint = f"'provision plan --only {same[0].component}' shows what 'up' would do about it" if state == "down" else ""
        yield Trouble(state, f"{component(same[0].component).title} is {state} on {fold([r.host for r in same])}{said}", hint)


def _by_component(status: Status) -> Iterator[tuple[str, list[Row]]]:
    """The rows of each component that has some, in build order."""
    found = {each.name: [row for row in status.rows if row.component == each.name] for each in COMPONENTS}
    return ((name, rows) for name, rows in found.items() if rows)


def _state(status: Status, rows: Sequence[Row]) -> str:
    """How a component is as a whole: down where it does nothing for anybody, by a problem of it or because no member serves."""
    lost = [p.state for p in status.wrong if p.component == rows[0].component]
    some = "degraded" if any(row.state != "ok" for row in rows) else "ok"
    return worst([*lost, "down" if all(row.state == "down" for row in rows) else some])


def _lines(status: Status) -> Iterator[Line]:
    for name, rows in _by_component(status):
        leaders = fold([row.host for row in rows if row.leader and row.state != "down"])
        yield Line(name, _state(status, rows), leaders, _members(rows), _versions(rows), _detail(rows))


def _members(rows: Sequence[Row]) -> str:
    """`m1..m3` where all are alike, else who is not well by name, and the others only as long as that is short: `27 ok; a7 down`."""
    by_state = {state: hosts for state in STATES if (hosts := [row.host for row in rows if row.state == state])}
    if len(by_state) == 1:
        return fold(next(iter(by_state.values())))
    named = {state: fold(hosts) for state, hosts in by_state.items()}
    if named.get("ok", "").count(",") >= WORDS_MOST:
        named["ok"] = str(len(by_state["ok"]))
    return "; ".join(f"{hosts} {state}" for state, hosts in named.items())


def _version(row: Row) -> str:
    return row.version + (" (stand-in)" if row.stand_in and "standin" not in row.version else "")


def _versions(rows: Sequence[Row]) -> str:
    """The version, or that of most members first and then where others are; those that do not say theirs don't count."""
    hosts: dict[str, list[str]] = {}
    for row in rows:
        if row.version:
            hosts.setdefault(_version(row), []).append(row.host)
    first, *others = sorted(hosts, key=lambda version: -len(hosts[version])) or [""]
    return "; ".join([first, *(f"{version} on {fold(hosts[version])}" for version in others)])


def _detail(rows: Sequence[Row]) -> str:
    """What a leader says; without one what most members do, and who does something else."""
    well = [row for row in rows if row.state == "ok" and row.detail]
    leading = [row.detail for row in well if row.leader]
    if leading:
        return "; ".join(leading)
    kinds: dict[str, list[Row]] = {}
    for row in well:
        kinds.setdefault(_NUMBER.sub("…", row.detail), []).append(row)
    common, *others = sorted(kinds, key=lambda kind: -len(kinds[kind])) or [""]
    words = {kind: same.pop() if len(same := {row.detail for row in of}) == 1 else kind for kind, of in kinds.items()}
    rare = [f"{words[kind]} ({fold([row.host for row in kinds[kind]])})" for kind in others[-ANSWERS_MOST:]]
    return "; ".join([words.get(common, ""), *rare])
