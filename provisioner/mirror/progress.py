"""How much is done of what takes long, for whoever waits."""

from __future__ import annotations

import threading
import time

from provisioner.mirror.files import readable
from provisioner.mirror.programs import Say

_TELL_SECONDS = 5.0


class Progress:
    """Says every few seconds how many bytes of `total` are done and how fast, and of several `files` how many; threads may share it."""

    def __init__(self, say: Say, what: str, total: int, files: int = 0) -> None:
        self._say, self._what, self._total, self._files = say, what, total, files
        self._lock = threading.Lock()
        self._come = self._done = self._through = 0
        self._begin = self._told = time.monotonic()

    def had(self, size: int) -> None:
        """So many bytes were there before; negative where they have to come again."""
        with self._lock:
            self._done += size

    def came(self, size: int) -> None:
        """So many bytes more."""
        with self._lock:
            self._come += size
            self._done += size
            if (now := time.monotonic()) - self._told >= _TELL_SECONDS:
                self._told = now
                self._say(f"{self._what}: {self}")

    def through(self) -> None:
        """One file more is done with."""
        with self._lock:
            self._through += 1

    def __str__(self) -> str:
        """`120.0 MB of 1.2 GB, 14 of 230 files, 11.5 MB/s`."""
        rate = readable(int(self._come / max(time.monotonic() - self._begin, 0.001)))
        files = f", {self._through} of {self._files} files" if self._files else ""
        return f"{readable(self._done)} of {readable(self._total)}{files}, {rate}/s"
