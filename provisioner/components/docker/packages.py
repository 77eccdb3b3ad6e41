"""What its role installs beside the packages that a variable names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def further(variables: Mapping[str, Any], release: str, family: str) -> list[str]:
    """By what the role is told, on this release of a distribution (`debian12`) of a family (Debian, RedHat).

    From Debian 13 on docker.io only recommends its command line.
    """
    if family == "RedHat":
        return ["python3-dnf-plugin-versionlock"]
    apart = release.startswith("debian") and int(release.removeprefix("debian")) >= 13
    return ["docker-cli"] if apart and "docker.io" in variables["docker_packages"] else []
