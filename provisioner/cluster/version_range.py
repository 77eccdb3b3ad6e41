"""Versions of packages as the catalogue names them: ranges, and what may be left out of one."""

from __future__ import annotations

import re
from itertools import zip_longest

REQUIREMENT = re.compile(r"(>=|<=|<|>|==)?\s*([0-9][0-9.]*)")


def fits(version: str, requirement: str) -> bool:
    """Whether a version is in a range such as `>=26, <29`; only as many parts are compared as the bound names."""
    for operator, bound in REQUIREMENT.findall(requirement):
        order = _compare(version, bound)
        if not {">=": order >= 0, "<=": order <= 0, "<": order < 0, ">": order > 0}.get(operator, order == 0):
            return False
    return True


def same_version(served: str, wanted: str, manager: str = "apt") -> bool:
    """Whether a package's version is the wanted one, which may leave out the epoch and the end (`9.5.6` is `1:9.5.6-1`). Roles ask for an
    RPM without the epoch and the revision that Debian gives its package.
    """
    if manager == "yum":
        wanted = re.sub(r"-[0-9]+$", "", wanted.split(":", 1)[-1])
    plain = served if ":" in wanted else served.split(":", 1)[-1]
    return plain == wanted or plain.startswith((f"{wanted}-", f"{wanted}.", f"{wanted}+", f"{wanted}~"))


def _compare(version: str, bound: str) -> int:
    limits = [int(part) for part in bound.strip(".").split(".")]
    parts = [int(digits) for digits in re.findall(r"\d+", version.split(":")[-1])][: len(limits)]
    for part, limit in zip_longest(parts, limits, fillvalue=0):
        if part != limit:
            return 1 if part > limit else -1
    return 0
