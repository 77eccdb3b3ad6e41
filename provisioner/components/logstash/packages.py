"""What its role installs beside the packages that a variable names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def further(variables: Mapping[str, Any], release: str, family: str) -> list[str]:
    """By what the role is told, on this release of a distribution (`debian12`) of a family (Debian, RedHat)."""
    hold = ["python3-dnf-plugin-versionlock"] if family == "RedHat" and variables["logstash_server"] else []
    return ["rsyslog", *(["rsyslog-openssl"] if variables["logstash_tls"] else []), *hold]
