"""Names of hosts for people: a cluster of a thousand must not fill the screen with each line."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

#: So many are still written one by one, in the order they are given.
FEW = 12
#: A name by its last number.
_NUMBERED = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)


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

    def __str__(self) -> str:
        if self.last - self.first < 2:
            return ", ".join(map(self.name, range(self.first, self.last + 1)))
        return f"{self.before}[{self.first:0{self.digits}}:{self.last:0{self.digits}}]{self.after}"


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
    split = [match.groups() for match in map(_NUMBERED.fullmatch, {*names}) if match]
    runs: list[_Run] = []
    for before, number, after in sorted(split, key=lambda part: (part[0], part[2], int(part[1]), part[1])):
        if runs and (runs[-1].before, runs[-1].after) == (before, after) and runs[-1].name(runs[-1].last + 1) == f"{before}{number}{after}":
            runs[-1].last += 1
        else:
            runs.append(_Run(before, after, len(number) if number.startswith("0") else 1, int(number), int(number)))
    return ", ".join([*sorted(name for name in {*names} if not _NUMBERED.fullmatch(name)), *map(str, runs)])
