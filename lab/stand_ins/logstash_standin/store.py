"""The queue between inputs and outputs: an event leaves it only after every output has taken it."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path

from .event import Event

_SIZE = "SELECT count(*), coalesce(sum(length(body)), 0) FROM events"


class Queue:
    """Events in order of arrival; in a file when `folder` is given (`queue.type: persisted`), else in memory.

    `max_bytes` limits what waits: `push` blocks until there is room, so the sender feels it.
    """

    def __init__(self, folder: Path | None, max_bytes: int) -> None:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(str(folder / "events.sqlite") if folder else ":memory:", check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT)")
        self._changed = threading.Condition()
        self._closed = False
        self.max_bytes = max_bytes
        self.events, self.bytes = self._db.execute(_SIZE).fetchone()

    def push(self, event: Event) -> None:
        """Keep the event; it is on disk when this returns. Blocks while the queue is full."""
        body = json.dumps(event)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.bytes < self.max_bytes)
            if self._closed:
                return
            with self._db:
                self._db.execute("INSERT INTO events (body) VALUES (?)", (body,))
            self.events += 1
            self.bytes += len(body)
            self._changed.notify_all()

    def batch(self, count: int, seconds: float) -> list[tuple[int, Event]]:
        """The oldest events with their numbers, still in the queue; empty after `seconds` without any."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.events > 0, timeout=seconds)
            rows = self._db.execute("SELECT number, body FROM events ORDER BY number LIMIT ?", (count,)).fetchall()
        return [(number, json.loads(body)) for number, body in rows]

    def acknowledge(self, last: int) -> None:
        """Forget every event up to number `last`."""
        with self._changed, self._db:
            self._db.execute("DELETE FROM events WHERE number <= ?", (last,))
            self.events, self.bytes = self._db.execute(_SIZE).fetchone()
            self._changed.notify_all()

    def close(self) -> None:
        """Wake up everybody who waits; what is left stays in the file."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
