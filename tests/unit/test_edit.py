"""Taking hosts out of an inventory keeps everything else as its owner wrote it."""

from __future__ import annotations

import pytest

from provisioner.errors import InventoryError
from provisioner.inventory.edit import without_hosts

TEXT = """\
# our cluster
all:
  vars:
    cluster_name: 'prod'  # quoted on purpose
masters:
  hosts:
    m1: {ansible_host: 192.0.2.1}
    m[2:3]:
agents:
  hosts:
    a1:  # rack 7
      ansible_host: 192.0.2.101
    a2: {ansible_host: 192.0.2.102}
gpu:
  hosts:
    a1:
"""


def test_a_host_goes_everywhere_and_nothing_else_changes() -> None:
    text = without_hosts(TEXT, ["a1"], "inventory.yml")
    assert "a1" not in text and "rack 7" not in text
    for line in ("# our cluster", "    cluster_name: 'prod'  # quoted on purpose", "    m[2:3]:", "    a2: {ansible_host: 192.0.2.102}"):
        assert line in text.splitlines()


def test_a_host_of_a_range_is_refused() -> None:
    with pytest.raises(InventoryError, match="m2 can't be taken out: not written by name"):
        without_hosts(TEXT, ["m2", "a2"], "inventory.yml")


COMMENTED = """\
all:
  children:
    masters:
      hosts:
        m1: {ansible_host: 192.0.2.1}
        m2:
          ansible_host: 192.0.2.2

    # the agents live in hall 3
    agents:
      hosts:
        a1: {ansible_host: 192.0.2.3}  # new disk
        # rack two

        a2: {ansible_host: 192.0.2.4}
"""


@pytest.mark.parametrize(("host", "lines"), [("m2", (6, 7)), ("a1", (12,)), ("a2", (15,))])
def test_only_the_hosts_own_lines_go(host: str, lines: tuple[int, ...]) -> None:
    """Also at the end of a group, where the next line is a comment on the next group."""
    left = [line for number, line in enumerate(COMMENTED.splitlines(), 1) if number not in lines]
    assert without_hosts(COMMENTED, [host], "inventory.yml").splitlines() == left


def test_a_group_may_become_empty() -> None:
    left = without_hosts(COMMENTED, ["a1", "a2"], "inventory.yml")
    assert "    agents:\n      hosts:\n        # rack two\n" in left


def test_a_host_on_one_line_with_others_is_refused_and_nothing_is_lost() -> None:
    text = "masters: {hosts: {m1: {}, m2: {}}}\n"
    with pytest.raises(InventoryError, match="m1 can't be taken out: not on lines of their own") as error:
        without_hosts(text, ["m1"], "inventory.yml")
    assert "line of its own" in str(error.value.hint)
