"""Asking again until it is good, or until the time is up."""

from __future__ import annotations

import pytest

from provisioner.errors import StepFailed, UnreachableError
from provisioner.observe import wait
from provisioner.observe.wait import wait_for_calm, wait_until


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(wait, "time", found)
    return found


def test_the_first_good_look_ends_it(clock: Clock) -> None:
    looks = iter([1, 2, 3, 4])
    assert wait_until(lambda: next(looks), lambda seen: seen == 3, 60, pause=2) == 3
    assert clock.pauses == [2, 2]


@pytest.mark.parametrize(("seconds", "looks"), [(0, 1), (5, 3), (6, 3)])
def test_the_last_look_is_given_when_the_time_is_up(clock: Clock, seconds: float, looks: int) -> None:
    seen = iter(range(1, 100))
    assert wait_until(lambda: next(seen), lambda _: False, seconds) == looks


def refuse(number: int) -> None:
    if number < 0:
        raise UnreachableError("away")
    if number < 3:
        raise StepFailed(f"{number} is too little")


def test_calm_is_waited_for_and_its_lack_is_what_is_raised(clock: Clock) -> None:
    looks = iter([1, 2, 3])
    assert wait_for_calm(lambda: next(looks), refuse) == 3
    with pytest.raises(StepFailed, match="2 is too little"):
        wait_for_calm(lambda: 2, refuse)
    assert clock.now == 2 * wait.PAUSE_SECONDS + wait.CALM_SECONDS


def test_what_no_waiting_cures_is_raised_at_once(clock: Clock) -> None:
    with pytest.raises(UnreachableError):
        wait_for_calm(lambda: -1, refuse)
    assert clock.pauses == []
