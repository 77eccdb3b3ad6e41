"""The one way the executors write to the task's stderr."""

from __future__ import annotations

import sys
import time


def log(message: str) -> None:
    """Write one line, marked as the lab's, to stderr; the task's own output goes to the same file."""
    print(f"{time.strftime('%H:%M:%S')} lab executor: {message}", file=sys.stderr, flush=True)
