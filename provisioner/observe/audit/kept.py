"""How the last audit went, for `status`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import counted
from provisioner.state.files import private_dir, write_private

if TYPE_CHECKING:
    from provisioner.observe.audit.report import Report

FILE = "audit.json"


def keep(cluster: Cluster, report: Report) -> None:
    """Remember how it went, for `status`. Raises UsageError."""
    private_dir(cluster.state_dir)
    text = json.dumps({"time": time.time(), "summary": report.summary, "closed": report.closed})
    write_private(cluster.state_dir / FILE, text.encode())


def last(cluster: Cluster, now: float) -> str:
    """How the last audit went, in one line; '' when there was none."""
    try:
        found = json.loads((cluster.state_dir / FILE).read_text())
        return f"{found['summary']}, {_ago(now - float(found['time']))}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _ago(seconds: float) -> str:
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{counted(count, unit)} ago"
    return "just now"
