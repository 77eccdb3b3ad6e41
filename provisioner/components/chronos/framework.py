"""Chronos as a framework: where it keeps its id, and what a new one costs.

FrameworkIdUtil over Mesos' ZooKeeperState: <zk_path>/state/frameworkId.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.run.framework_store import Store

LOST = "Jobs stay with their schedules; runs that were under way are not repeated before their time."


def store(variables: Mapping[str, Any]) -> Store:
    """By its role's variables."""
    return Store("/" + str(variables["chronos_zk_path"]).strip("/") + "/state/frameworkId")
