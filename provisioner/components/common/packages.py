"""What its role installs beside the packages that a variable names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def further(variables: Mapping[str, Any], release: str, family: str) -> list[str]:
    """By what the role is told, on this release of a distribution (`debian12`) of a family (Debian, RedHat)."""
    tool, sysctl = {"Debian": ("netcat-openbsd", "procps"), "RedHat": ("nmap-ncat", "procps-ng")}[family]
    netcat = [tool] if "netcat" in variables["common_packages"] else []
    firewall = ["firewalld"] if variables["common_firewall"] == "managed" else []
    return [*netcat, sysctl, "openssl", *firewall, *(["nftables"] if variables["common_networks"] else [])]
