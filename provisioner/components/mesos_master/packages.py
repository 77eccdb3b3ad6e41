"""What its role installs beside the packages that a variable names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def further(variables: Mapping[str, Any], release: str, family: str) -> list[str]:
    """By what the role is told, on this release of a distribution (`debian12`) of a family (Debian, RedHat)."""
    return ["cyrus-sasl-md5", "python3-dnf-plugin-versionlock"] if family == "RedHat" else ["libsasl2-modules"]
