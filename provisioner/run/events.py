"""What Ansible's callback says of the playbooks that go on, while they do."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from provisioner.run.outcome import Event, Outcome

POLL_SECONDS = 0.1


class Events:
    """What Ansible's callback writes from now on: each event is counted for its play, and reported to whom that play's are for."""

    def __init__(self, path: Path, listeners: Mapping[int, Callable[[Event], None]]) -> None:
        self._listeners = listeners
        self._outcomes = {number: Outcome() for number in listeners}
        self._lines = path.open()
        self._lines.seek(0, os.SEEK_END)
        self._pending = ""
        self._reading, self._over = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Events:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._lines.close()

    def outcome(self, number: int, returncode: int) -> Outcome:
        """Of a play that has ended."""
        self._read()
        self._outcomes[number].returncode = returncode
        return self._outcomes[number]

    def _follow(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            self._read()

    def _read(self) -> None:
        with self._reading:
            *whole, self._pending = (self._pending + self._lines.read()).split("\n")
            for line in whole:
                try:
                    event = json.loads(line)
                except ValueError:  # one that was ended in the middle of a line
                    continue
                if event["play"] in self._listeners:  # not one that was ended in the middle of its work
                    self._outcomes[event["play"]].take(event)
                    self._listeners[event["play"]](event)
