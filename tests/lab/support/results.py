"""What a long run found, printed, and kept with its date, commit and machine when `PROVISION_RESULTS` names a folder."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path

from tests.lab.support.checkout import ROOT

FOLDER = "PROVISION_RESULTS"


def machine() -> str:
    """What a figure depends on, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}, Linux {platform.release()}, "
            f"Python {platform.python_version()}")


def keep(name: str, text: str) -> None:
    """Print it; `<name>.txt` in the folder of results gets the same below a heading."""
    print(text, flush=True)
    folder = os.environ.get(FOLDER)
    if folder:
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, check=False, capture_output=True, text=True)
        when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
        Path(folder).mkdir(parents=True, exist_ok=True)
        heading = f"{when}, commit {commit.stdout.strip() or 'not known'}, {machine()}"
        (Path(folder) / f"{name}.txt").write_text(f"{heading}\n\n{text.strip()}\n")
