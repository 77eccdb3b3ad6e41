"""Two operators at once and runs killed at random moments, a few times; `make chaos`: many. CHAOS_SEED says which."""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos import killed_after, two_at_once
from tests.cluster_under_test import ClusterUnderTest
from tests.results import keep

STARTS = int(os.environ.get("CHAOS_STARTS", "5"))
KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
SEED = os.environ.get("CHAOS_SEED", "1")
#: The run that is killed would take about a minute and a half.
LATEST_SECONDS = 90.0
MOMENTS = [random.Random(f"{SEED}-{n}").uniform(0.5, LATEST_SECONDS) for n in range(KILLS)]  # noqa: S311 - not for secrets


@pytest.mark.parametrize("number", range(STARTS))
def test_exactly_one_of_two_proceeds(cluster: ClusterUnderTest, number: int) -> None:
    two_at_once(cluster)


@pytest.mark.parametrize("seconds", MOMENTS)
def test_a_killed_run_is_completed_by_the_next(cluster: ClusterUnderTest, seconds: float) -> None:
    killed_after(cluster, seconds)


def test_how_often(request: pytest.FixtureRequest) -> None:
    """Comes last and keeps the count."""
    failed = request.session.testsfailed
    keep("chaos", f"{STARTS} starts of two operators at once, {KILLS} kills at random moments (seed {SEED}): {failed} failed")
    assert failed == 0
