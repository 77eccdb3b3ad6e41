"""Ctrl-C while a cluster is changed: the first one stops between two steps, the second one at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

from provisioner.errors import StoppedError


class SafePoint:
    """While it lasts, the first Ctrl-C only asks to stop, and `check`, called where stopping is harmless, does it.

    The second one raises KeyboardInterrupt at once, as any other time. `say` tells the user which it is.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._asked = False

    def __enter__(self) -> SafePoint:
        # Only the main thread may set handlers; and a run that a shell started in the background is to ignore Ctrl-C.
        self._heard = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        if self._heard:
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._heard:
            signal.signal(signal.SIGINT, self._before)

    def check(self, next_step: str) -> None:
        """Raises StoppedError when somebody asked to stop."""
        if self._asked:
            raise StoppedError(f"stopped on request before: {next_step}", hint="the same command goes on from here")

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._say("stopping after this step; Ctrl-C again stops at once, in the middle of it")
