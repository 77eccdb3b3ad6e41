"""Filters of role chronos: whether flags are known to the program, and how they are written down."""

from __future__ import annotations

import difflib
import re
from typing import Any

NUMBERS = ("int", "ms", "seconds", "bytes", "port", "float", "MB")
SWITCHES = ("flag", "toggle")


def flag_problems(extra: dict[str, Any], known: dict[str, dict[str, str]], owned: dict[str, Any]) -> list[str]:
    """Why the program would not start with these flags; `owned` are those that the role sets itself."""
    problems = []
    for name, value in extra.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else "see its documentation."
            problems.append(f"chronos_extra_flags: there is no flag {name} that can be set here; {hint}")
        elif name in owned:
            problems.append(f"chronos_extra_flags: {name} is set by the role; use its own variable instead.")
        elif not _fits(known[name]["type"], value):
            problems.append(f"chronos_extra_flags: {name} wants a value of type {known[name]['type']}, not {value!r}.")
    return problems


def _fits(kind: str, value: Any) -> bool:
    if kind in SWITCHES:
        return isinstance(value, bool)
    if kind in NUMBERS:
        return not isinstance(value, bool) and re.match(r"-?\d+(\.\d+)?$", str(value)) is not None
    return isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value) != "" and "\n" not in str(value)


def arguments(flags: dict[str, Any], known: dict[str, dict[str, str]]) -> list[str]:
    """--flag value, one a line; a switch stands alone, as its negation where it is off."""
    lines = []
    for name, value in flags.items():
        if not isinstance(value, bool):
            lines.append(f"--{name} {value}")
        elif value or "negation" in known[name]:
            lines.append(f"--{name if value else known[name]['negation']}")
    return lines


def spaced(flags: dict[str, Any]) -> list[str]:
    """Names of the flags whose values the file cannot hold: the program splits it at blanks, and knows no quotes."""
    return [name for name, value in flags.items() if re.search(r"\s", str(value))]


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"chronos_flag_problems": flag_problems, "chronos_arguments": arguments, "chronos_spaced": spaced}
