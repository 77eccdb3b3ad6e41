"""Names of hosts for people: a cluster of a thousand must not fill the screen with each line."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

#: So many are still written one by one, in the order they are given.
FEW = 12
#: Fewer than these in a row are not worth a range.
_SHORTEST = 3
#: No cluster has more hosts, so such a range is a slip of the keyboard.
_LONGEST = 100_000
#: No range of valid names is longer.
_WORD_MAX = 600
_NUMBER = re.compile(r"([0-9]+)")


@dataclass
class _Run:
    """Names that differ in one number: `before`, each from `first` to `last` with at least so many digits, `after`."""

    before: str
    after: str
    digits: int
    first: int
    last: int

    def name(self, number: int) -> str:
        """The one with that number."""
        return f"{self.before}{number:0{self.digits}}{self.after}"


def counted(number: int, one: str, many: str = "") -> str:
    """So many of a thing, as people write it: 1 host, 2 hosts; `many` where more than an 's' is different."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def no_answer(names: Collection[str]) -> str:
    """That these hosts do not answer."""
    return f"{host_list(names)} {'does' if len(names) == 1 else 'do'} not answer"


def host_list(names: Collection[str]) -> str:
    """The names with commas between them; many are sorted and written as ranges in Ansible's words, such as `a[1:997]`."""
    if len(names) <= FEW:
        return ", ".join(names)
    return _written(names, lambda run: f"{run.before}[{run.first:0{run.digits}}:{run.last:0{run.digits}}]{run.after}")


def fold(names: Collection[str]) -> str:
    """The names, sorted, with ranges for those in a row: `gate, a1..a6, a8, m1..m3`. Each name stands there once."""
    return _written(names, lambda run: f"{run.name(run.first)}..{run.name(run.last)}")


def unfold(text: str) -> list[str]:
    """The names that `fold` wrote, in its order. A word that is no range is a name, whatever it is."""
    return [name for word in text.split(",") if (one := word.strip()) for name in _unfolded(one)]


def _unfolded(word: str) -> Iterator[str]:
    first, between, last = word[:_WORD_MAX].partition("..")
    begin, end = _NUMBER.split(first), _NUMBER.split(last)
    different = [place for place, (one, other) in enumerate(zip(begin, end, strict=False)) if one != other]
    if between and len(begin) == len(end) and len(different) == 1 and different[0] % 2:
        run, until = _run(begin, different[0]), int(end[different[0]])
        if 0 < until - run.first < _LONGEST:
            yield from map(run.name, range(run.first, until + 1))
            return
    yield word


def _run(parts: Sequence[str], place: int) -> _Run:
    """One name, as a row of one, by which of its numbers is counted."""
    number = parts[place]
    return _Run("".join(parts[:place]), "".join(parts[place + 1:]), len(number) if number.startswith("0") else 1, int(number), int(number))


def _written(names: Collection[str], as_range: Callable[[_Run], str]) -> str:
    """The shortest text: mostly the last number counts hosts, but in `m1.dc2` it is the first."""
    split = [(name, _NUMBER.split(name)) for name in {*names}]
    places = range(1, max((len(parts) // 2 for _, parts in split), default=0) + 1)
    shortest: list[str] = min((_words(split, place, as_range) for place in places or (1,)), key=len)
    return ", ".join(shortest)


def _words(split: Collection[tuple[str, Sequence[str]]], place: int, as_range: Callable[[_Run], str]) -> list[str]:
    """What stands between commas where a name counts by its number at this place from the end; names without it come first."""
    words = sorted(name for name, parts in split if len(parts) < 2 * place)
    ones = [(_run(parts, len(parts) - 2 * place), name) for name, parts in split if len(parts) >= 2 * place]
    runs: list[_Run] = []
    for one, name in sorted(ones, key=lambda each: (each[0].before, each[0].after, each[0].first, each[1])):
        if runs and (runs[-1].before, runs[-1].after) == (one.before, one.after) and runs[-1].name(runs[-1].last + 1) == name:
            runs[-1].last += 1
        else:
            runs.append(one)
    for run in runs:
        numbers = range(run.first, run.last + 1)
        words += [as_range(run)] if len(numbers) >= _SHORTEST else map(run.name, numbers)
    return words
