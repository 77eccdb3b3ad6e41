"""Names of many hosts in few words, from which every name can still be read."""

from __future__ import annotations

import random
import re

import pytest
from ansible.plugins.inventory import expand_hostname_range
from hypothesis import given
from hypothesis import strategies as st

from provisioner.cluster.names import FEW, counted, fold, host_list, unfold
from provisioner.paths import project_dir

#: Where it is said only of two or more.
ALWAYS_SEVERAL = {"status.py: {len(leaders)} leaders", "offline.py: {len(wrong)} problems", "addresses.py: {len(self.problems)} problems",
                  "addresses.py: {len(usable)} addresses", "checks.py: {len(members)} hosts"}
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


def test_names_fold_to_ranges_with_their_gaps() -> None:
    assert fold(["a2", "m1", "a1", "a3", "a5", "a6", "gate", "a10"]) == "gate, a1..a3, a5, a6, a10, m1"
    assert fold([f"a{number:02}" for number in range(8, 12)]) == "a08..a11"
    assert fold([f"m{number}.dc2.example.org" for number in (1, 2, 3)]) == "m1.dc2.example.org..m3.dc2.example.org"
    assert fold(["a1", "a1", "a2"]) == "a1, a2"
    assert (fold(["a1"]), fold([])) == ("a1", "")


HOST_NAME = st.from_regex(r"[a-c0-9]([a-c0-9-]{0,3}[a-c0-9])?(\.[a-c0-9]{1,3}){0,2}", fullmatch=True)


@given(st.sets(NAME | HOST_NAME, max_size=60))
def test_what_was_folded_unfolds_to_the_same_names(names: set[str]) -> None:
    assert sorted(unfold(fold(names))) == sorted(names)


@pytest.mark.parametrize("word", ["a3..a1", "a1..b3", "..", "a..", "a1..a9999999999", "a1..a1", "a1.1..a2.2", f"a1..a{'9' * 5000}"])
def test_what_is_no_range_is_a_name(word: str) -> None:
    assert unfold(f" {word},, m1") == [word, "m1"]


def test_one_of_a_thing_is_no_plural() -> None:
    assert [counted(n, "host") for n in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]
    assert [counted(n, "host answers", "hosts answer") for n in (1, 2)] == ["1 host answers", "2 hosts answer"]


def test_what_is_counted_for_people_goes_through_one_function() -> None:
    """`{len(hosts)} hosts` is wrong for one; '1 of 5 members' counts another thing."""
    bare = re.compile(r"(?<! of )\{(?:len|count|sum)\([^{}]*\)\} [a-z]+s\b")
    found = {f"{path.name}: {match[0]}" for folder in ("provisioner", "lab/provisioner_lab")
             for path in (project_dir() / folder).rglob("*.py") if path.parent.name != "probe"
             for line in path.read_text().splitlines()
             for match in bare.finditer(line)}
    assert found == ALWAYS_SEVERAL
