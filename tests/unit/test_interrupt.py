"""Ctrl-C once lets the step end, twice does not."""

from __future__ import annotations

import os
import signal

import pytest

from provisioner.errors import StoppedError
from provisioner.interrupt import SafePoint


def test_the_first_one_waits_for_a_safe_point_and_the_second_does_not() -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with SafePoint(said.append) as safe:
        safe.check("up Marathon on m1")
        os.kill(os.getpid(), signal.SIGINT)
        assert "Ctrl-C again" in said[0]
        with pytest.raises(StoppedError, match="before this: up Marathon on m2"):
            safe.check("up Marathon on m2")
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_stops_unasked() -> None:
    with SafePoint(lambda text: None) as safe:
        safe.check("anything")
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
