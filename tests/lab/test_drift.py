"""Whatever drifts under the eyes of a role is seen by the next plan and mended by the next run; `make mutations`: a thousand times."""

from __future__ import annotations

import collections
import json
import os
import random

import pytest

from tests.lab.support.checkout import ClusterUnderTest, mitogen
from tests.lab.support.drift import Drifting
from tests.lab.support.results import keep

pytestmark = [pytest.mark.provision(masters=3, agents=2), pytest.mark.nightly]
CHANGES = int(os.environ.get("DRIFT_CHANGES", "50"))
SEED = os.environ.get("DRIFT_SEED", "1")


def test_no_harm_is_skipped_over(cluster: ClusterUnderTest) -> None:
    """Goes on after a batch that was not mended, so that one bug does not hide the next; a full run puts right what is left.

    All is mended by mitogen, in less time; without it, in `test_rerun.py`.
    """
    drifting, dice = Drifting(cluster), random.Random(SEED)  # noqa: S311 - not for secrets
    done: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    while done.total() < CHANGES:
        with mitogen(cluster):
            batch = drifting.batch(dice)
            try:
                drifting.seen_and_mended(batch)
            except AssertionError as error:
                failures.append(str(error))
                print(f"FAILED: {error}", flush=True)
                cluster.up("--full")
        done.update(harm.kind for harm in batch)
        # After every batch, so that a run that is broken off leaves what it had.
        keep("drift", "\n".join([f"{done.total()} changes (seed {SEED}) of {len(drifting.possible)} possible",
                                 *(f"{count:5} {kind}" for kind, count in sorted(done.items())),
                                 f"batches not seen or not mended: {len(failures)}", *failures]))
    with mitogen(cluster):
        full = cluster.up("--full")
    assert (failures, full["changed"], full["failed"]) == ([], 0, 0)


@pytest.mark.parametrize("host", ["m2", "a1"])
def test_another_machine_under_the_same_name_is_not_taken_for_the_old_one(cluster: ClusterUnderTest, host: str) -> None:
    """As after a copy of a disk: every role looks again."""
    machine = cluster.host(host)
    machine.run("cp -p /etc/machine-id /root/machine-id && echo 0123456789abcdef0123456789abcdef >/etc/machine-id")
    try:
        plan = json.loads(cluster.run("plan", "--json").stdout)
        expected = {row["component"] for row in cluster.status()["components"] if row["host"] == host}
        assert {step["component"] for step in plan["steps"] if host in step["hosts"]} >= expected
    finally:
        machine.run("mv /root/machine-id /etc/machine-id")
    assert json.loads(cluster.run("plan", "--json").stdout)["steps"] == []


def test_a_host_of_another_cluster_is_refused(cluster: ClusterUnderTest) -> None:
    machine, file = cluster.host("a2"), "/etc/provisioner-cluster"
    machine.run(f"cp -p {file} /root/kept && echo '00000000-0000-4000-8000-000000000000 another' >{file}")
    try:
        done = cluster.run("up", "--yes", check=False)
        assert (done.returncode, "it belongs to another cluster: another" in done.stderr) == (5, True), done.stderr
        assert "nothing was changed" in done.stderr
    finally:
        machine.run(f"cp -p /root/kept {file} && rm /root/kept")
    cluster.up()
