"""Ctrl-C once lets the step end, twice does not."""

from __future__ import annotations

import os
import signal

import pytest

from provisioner.cli import main
from provisioner.errors import StoppedError
from provisioner.run.interrupt import SafePoint


def test_the_first_one_waits_for_a_safe_point_and_the_second_does_not() -> None:
    said: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with SafePoint(said.append) as safe:
        safe.check("up Marathon on m1")
        os.kill(os.getpid(), signal.SIGINT)
        assert "Ctrl-C again" in said[0]
        with pytest.raises(StoppedError, match="stopped on request before: up Marathon on m2"):
            safe.check("up Marathon on m2")
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_in_the_background_goes_on_ignoring_it() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with SafePoint(lambda text: None) as safe:
            os.kill(os.getpid(), signal.SIGINT)
            safe.check("up Marathon on m1")
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("before", "after"), [(signal.SIG_IGN, signal.SIG_IGN), (signal.SIG_DFL, signal.default_int_handler)])
def test_a_run_under_nohup_outlives_its_terminal(before: signal.Handlers, after: object, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, before)
        assert main(["no-such-command"]) == 2
        assert signal.getsignal(signal.SIGHUP) is after
    finally:
        for each, handler in kept.items():
            signal.signal(each, handler)


def test_nothing_stops_unasked() -> None:
    with SafePoint(lambda text: None) as safe:
        safe.check("anything")
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
