"""Names of many hosts in few words, from which every name can still be read."""

from __future__ import annotations

import random

from ansible.plugins.inventory import expand_hostname_range
from hypothesis import given
from hypothesis import strategies as st

from provisioner.cluster.names import FEW, host_list

NAME = st.builds("{}{:0{}}{}".format, st.sampled_from(["", "a", "b2-"]), st.integers(0, 120), st.integers(1, 3),
                 st.sampled_from(["", "x", "-y"]))


def test_a_thousand_hosts_are_one_range() -> None:
    names = [f"a{number}" for number in range(1, 998)]
    random.Random(1).shuffle(names)  # noqa: S311 - not for secrets
    assert host_list([*names, "gate"]) == "gate, a[1:997]"
    assert host_list([f"node{number:03}.example.org" for number in range(1, 201) if number != 7]) == (
        "node[001:006].example.org, node[008:200].example.org")


def test_a_few_are_written_as_they_come() -> None:
    assert host_list(["m2", "m3", "m1"]) == "m2, m3, m1"
    assert host_list([f"a{number}" for number in range(FEW)]).count(",") == FEW - 1


@given(st.sets(NAME | st.sampled_from(["gate", "gate-x"]), min_size=FEW + 1, max_size=60))
def test_ansible_reads_the_same_names_from_it(names: set[str]) -> None:
    words = host_list(names).split(", ")
    read = [name for word in words for name in (expand_hostname_range(word) if "[" in word else [word])]
    assert sorted(read) == sorted(names)
