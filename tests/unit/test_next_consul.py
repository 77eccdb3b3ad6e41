"""The releases of Consul that `test_upgrade.py` goes through: each is pinned, and reached from the one before it and no earlier one."""

from __future__ import annotations

from itertools import pairwise

import pytest

from provisioner.errors import StepFailed
from provisioner.plan.versions import Move, refuse_bad_changes
from tests.lab.support.next_consul import HERE, RELEASES

#: What the lab has, from Debian 11, and what follows.
WAY = ("1.8.7", *RELEASES)


@pytest.mark.parametrize("release", RELEASES)
def test_a_release_is_pinned_with_all_that_it_is_built_of(release: str) -> None:
    folder = HERE / f"v{release}"
    assert f"require github.com/hashicorp/consul v{release}\n" in (folder / "go.mod").read_text()
    assert f"github.com/hashicorp/consul v{release} h1:" in (folder / "go.sum").read_text()


def test_each_release_is_reached_from_the_one_before() -> None:
    for before, after in pairwise(WAY):
        refuse_bad_changes({"consul": {"m1": Move(before, after)}})


def test_none_can_be_left_out() -> None:
    for before, after in zip(WAY, WAY[2:], strict=False):
        with pytest.raises(StepFailed, match="at most 2 minor releases at a time"):
            refuse_bad_changes({"consul": {"m1": Move(before, after)}})
