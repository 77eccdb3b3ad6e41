"""Waiting for something on the hosts: the one loop that asks again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from provisioner.errors import StepFailed

T = TypeVar("T")
#: Between two questions, unless the caller knows better.
PAUSE_SECONDS = 3.0
#: An election, or a hiccup of a loaded host, is over after so long.
CALM_SECONDS = 60.0


def wait_until(look: Callable[[], T], good: Callable[[T], bool], seconds: float, *, pause: float | None = None,
               clock: Callable[[], float] | None = None, sleep: Callable[[float], None] | None = None) -> T:
    """Look again and again; give what was seen first that is `good`, or what was seen last when the time is up. Looks at least once.

    The caller judges what it gets: whether time was up is of no interest where the last look is good.
    """
    now, rest = clock or time.monotonic, sleep or time.sleep
    until = now() + seconds
    while not good(seen := look()) and now() < until:
        rest(PAUSE_SECONDS if pause is None else pause)
    return seen


def wait_for_calm(look: Callable[[], T], refuse: Callable[[T], None]) -> T:
    """What `look` sees when `refuse` has nothing against it. Raises the StepFailed of `refuse` when it still has after CALM_SECONDS.

    An election, or a hiccup of a loaded host, is no reason to send the operator away. Any other error of `refuse` ends it at once.
    """
    def accepted(seen: T) -> bool:
        try:
            refuse(seen)
        except StepFailed:
            return False
        return True

    seen = wait_until(look, accepted, CALM_SECONDS)
    refuse(seen)
    return seen
