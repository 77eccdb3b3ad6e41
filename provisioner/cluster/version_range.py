"""Ranges of versions, as the catalogue names them."""

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


def _compare(version: str, bound: str) -> int:
    limits = [int(part) for part in bound.strip(".").split(".")]
    parts = [int(digits) for digits in re.findall(r"\d+", version.split(":")[-1])][: len(limits)]
    for part, limit in zip_longest(parts, limits, fillvalue=0):
        if part != limit:
            return 1 if part > limit else -1
    return 0
