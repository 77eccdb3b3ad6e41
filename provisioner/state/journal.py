"""What a run did, written while it happens: one folder per run, one line per event, synced to disk."""

from __future__ import annotations

import datetime
import getpass
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from provisioner import __version__


class Journal:
    """The journal of one run in `.provision/<cluster>/runs/<time>/journal.jsonl`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / "journal.jsonl"

    def record(self, event: str, **fields: Any) -> None:
        """Append one event; it is on disk when this returns."""
        line = json.dumps({"event": event, "time": round(time.time(), 3), **fields}) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def open_run(state_dir: Path, command: list[str]) -> Journal:
    """Start the journal of a new run. The folder's name is the time in UTC; two runs never share one."""
    runs = state_dir / "runs"
    runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%S")
    folder, n = runs / stamp, 1
    while True:
        try:
            folder.mkdir(mode=0o700)
            break
        except FileExistsError:
            n += 1
            folder = runs / f"{stamp}-{n}"
    journal = Journal(folder)
    journal.record("begin", command=command, user=getpass.getuser(), machine=socket.gethostname(), version=__version__)
    return journal
