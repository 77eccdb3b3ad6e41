"""What its role installs, which no variable names (Debian's family)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def further(variables: Mapping[str, Any], release: str, family: str) -> list[str]:
    """By what the role is told, on this release of a distribution (`debian12`) of a family (Debian, RedHat)."""
    return ["nginx", "docker-registry"]
