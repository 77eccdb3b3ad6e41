"""What is kept of an error that nobody foresaw."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from provisioner import __version__


def write_report(error: BaseException) -> Path:
    """Write the traceback and the command into a file of its own (0600) and return its path."""
    descriptor, name = tempfile.mkstemp(prefix="provision-crash-", suffix=".txt")
    with os.fdopen(descriptor, "w") as report:
        report.write(f"provision {__version__}, Python {sys.version}\n{sys.argv}\n\n")
        report.write("".join(traceback.format_exception(error)))
    return Path(name)
