"""Checks over time: when they run, what of them is told, and when failures kill a task."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .checks import CheckError, Target, complaint, perform
from .log import log

#: Mesos' defaults of a check, in seconds, and of consecutive failures
DELAY, INTERVAL, TIMEOUT, GRACE, FAILURES = 15.0, 10.0, 20.0, 10.0, 3

#: Seconds between two checks at least: an interval of 0 would take a whole processor.
BREATH = 0.05


class Watch:
    """Performs a check after its delay and then at its interval, each `timeout` seconds at most, until it is stopped."""

    def __init__(self, check: dict[str, Any], target: Target, act: Callable[[dict[str, Any] | None, str], None]) -> None:
        self._check, self._target, self._act = check, target, act
        self._stopped = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Perform no more checks; the result of one that is running is dropped."""
        self._stopped.set()

    def _run(self) -> None:
        # 0 means no limit.
        timeout = float(self._check.get("timeout_seconds", TIMEOUT)) or None
        pause = float(self._check.get("delay_seconds", DELAY))
        while not self._stopped.wait(max(pause, BREATH)):
            found, why = None, ""
            try:
                found = perform(self._check, self._target, timeout)
            except CheckError as error:
                why = str(error)
            except Exception as error:  # a check that can't be performed has failed, and the next one is due all the same
                why = repr(error)
            if not self._stopped.is_set():
                self._act(found, why)
            pause = float(self._check.get("interval_seconds", INTERVAL))


class Health:
    """Counts failures: within the grace period they do not count before the first success. `clock` in seconds."""

    def __init__(self, check: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = float(check.get("grace_period_seconds", GRACE))
        self._allowed = int(check.get("consecutive_failures", FAILURES))
        self._clock, self._since = clock, clock()
        self._failures, self._succeeded = 0, False

    def judge(self, good: bool) -> tuple[bool, bool] | None:
        """What to tell after one more result: whether it is healthy, and whether to kill the task. None: nothing new."""
        if good:
            news = not self._succeeded or self._failures > 0
            self._succeeded, self._failures = True, 0
            return (True, False) if news else None
        if self._grace > 0 and not self._succeeded and self._clock() - self._since <= self._grace:
            return None
        self._failures += 1
        return False, self._failures >= self._allowed


def watch_health(check: dict[str, Any], target: Target, tell: Callable[[bool, bool], None]) -> Watch:
    """Perform a HealthCheck over time; `tell` gets what `Health.judge` has to say."""
    health = Health(check)

    def act(found: dict[str, Any] | None, why: str) -> None:
        why = why or complaint(found or {})
        if why:
            log(f"{check.get('type')} health check failed: {why}")
        news = health.judge(not why)
        if news:
            tell(*news)

    return Watch(check, target, act)


def watch_check(check: dict[str, Any], target: Target, tell: Callable[[dict[str, Any]], None]) -> Watch:
    """Perform a CheckInfo over time; `tell` gets each CheckStatusInfo that differs from the one before."""
    kind = check.get("type", "UNKNOWN")
    nothing: dict[str, Any] = {"type": kind, kind.lower(): {}}
    last = nothing

    def act(found: dict[str, Any] | None, why: str) -> None:
        nonlocal last
        if why:
            log(f"{kind} check failed: {why}")
        if (found or nothing) != last:
            last = found or nothing
            tell(last)

    return Watch(check, target, act)
