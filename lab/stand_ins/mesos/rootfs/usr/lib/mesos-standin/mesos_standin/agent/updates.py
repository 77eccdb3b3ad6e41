"""Status updates of one task: kept, sent one at a time and again until the framework acknowledges each (item 22)."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
_FIRST_RETRY_SECONDS, _LAST_RETRY_SECONDS = 10.0, 600.0


class Updates:
    """The updates of a task in order. `send` gets the oldest unacknowledged one; `changed` is called to persist."""

    def __init__(self, known: list[Json], acknowledged: int, send: Callable[[Json], None]) -> None:
        self.known = known
        self.acknowledged = acknowledged
        self._send = send
        self._timer: asyncio.TimerHandle | None = None
        self._abandoned = False

    @property
    def state(self) -> str:
        """The task's latest state."""
        return str(self.known[-1]["state"]) if self.known else "TASK_STAGING"

    @property
    def done(self) -> bool:
        """Whether every update is acknowledged."""
        return self.acknowledged >= len(self.known)

    def add(self, status: Json) -> None:
        """Adds an update; it is sent when those before it are acknowledged."""
        identity = base64.b64encode(uuid.uuid4().bytes).decode()
        self.known.append({**status, "timestamp": time.time(), "uuid": identity})
        if self._abandoned:
            self.abandon()
        elif self.acknowledged == len(self.known) - 1:
            self.resend()

    def acknowledge(self, identity: str) -> bool:
        """Takes an acknowledgement; False when it is not for the update that was sent last."""
        if self.done or self.known[self.acknowledged]["uuid"] != identity:
            return False
        self.acknowledged += 1
        self.stop()
        if not self.done:
            self.resend()
        return True

    def resend(self, delay: float = _FIRST_RETRY_SECONDS) -> None:
        """Sends the pending update now, and again after `delay`, twice `delay` and so on."""
        self.stop()
        if self.done:
            return
        self._send(self.known[self.acknowledged])
        following = min(2 * delay, _LAST_RETRY_SECONDS)
        self._timer = asyncio.get_running_loop().call_later(delay, self.resend, following)

    def abandon(self) -> None:
        """Nobody listens any more: updates, old and new, count as acknowledged."""
        self.stop()
        self._abandoned = True
        self.acknowledged = len(self.known)

    def stop(self) -> None:
        """Stops sending."""
        if self._timer:
            self._timer.cancel()
