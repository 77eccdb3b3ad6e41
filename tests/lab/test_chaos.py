"""Two operators at once and runs killed at random moments, a few times; `make chaos`: many. CHAOS_SEED says which."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time

import pytest

from tests.lab.support.chaos import DAMAGE, killed_after, killed_at_task, two_at_once
from tests.lab.support.checkout import HOME, PROVISION, ClusterUnderTest, eventually
from tests.lab.support.drift import Drifting
from tests.lab.support.results import keep

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
STARTS = int(os.environ.get("CHAOS_STARTS", "5"))
KILLS = int(os.environ.get("CHAOS_KILLS", "5"))
SEED = os.environ.get("CHAOS_SEED", "1")
#: A run that is killed would take 14 to 27 s for one damaged host and about 15 s more for each other.
FIRST_HOST_SECONDS, NEXT_HOST_SECONDS = 20.0, 15.0


@pytest.mark.parametrize("number", range(STARTS))
def test_exactly_one_of_two_proceeds(cluster: ClusterUnderTest, number: int) -> None:
    two_at_once(cluster)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_run_is_completed_by_the_next(cluster: ClusterUnderTest, number: int) -> None:
    """Mostly one host is damaged, so that a hundred kills are done in two hours; now and then all five are."""
    dice = random.Random(f"{SEED}-{number}")  # noqa: S311 - not for secrets
    hosts = dice.sample(sorted(DAMAGE), dice.choice([1, 1, 1, 1, 2, 2, 3, 5]))
    seconds = dice.uniform(0.5, FIRST_HOST_SECONDS + NEXT_HOST_SECONDS * (len(hosts) - 1))
    while not killed_after(cluster, hosts, seconds):
        seconds /= 2


def test_a_role_that_is_killed_between_two_tasks_is_never_taken_for_done(cluster: ClusterUnderTest) -> None:
    """Between every two."""
    drifting, number = Drifting(cluster), 1
    while killed_at_task(cluster, drifting, number):
        number += 1
    assert number > 5, "the role has more tasks than that"
    keep("killed-between-tasks", f"killed at each of the {number - 1} tasks of role zookeeper on one host; the next completed it")


def test_a_host_that_dies_in_the_middle_of_a_roll_ends_it(cluster: ClusterUnderTest) -> None:
    """It is frozen right after its own turn, so that nothing is asked of it any more but whether it still serves."""
    roll = subprocess.Popen([PROVISION, "restart", *cluster.select, "zookeeper", "--yes"], cwd=HOME, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert roll.stdout
    said, first = "", None
    while first is None:
        line = roll.stdout.readline()
        assert line, f"it ended by itself: {said}"
        said += line
        first = re.search(r"\] restart ZooKeeper +(m\d) .* changed", line)
    with cluster.pause(first[1]):
        begin = time.monotonic()
        said += roll.communicate(timeout=300)[0]
        seconds = time.monotonic() - begin
        serving = [row["host"] for row in cluster.rows("zookeeper") if row["state"] == "ok"]
    assert (roll.returncode, "not touched: m" in said) == (5, True), said
    assert len(serving) == 2, f"beside the frozen one only {serving} serve"
    keep("stopped-roll", f"a member was frozen in the middle of a roll: it ended after {seconds:.0f} s, two of three members serving")
    eventually("all is well", 120, lambda: bool(cluster.status()["healthy"]))


def test_how_often(cluster: ClusterUnderTest, request: pytest.FixtureRequest) -> None:
    """Comes last and keeps the count."""
    failed = request.session.testsfailed
    keep("chaos", f"{STARTS} starts of two operators at once, {KILLS} kills at random moments (seed {SEED}): {failed} failed")
    assert failed == 0
