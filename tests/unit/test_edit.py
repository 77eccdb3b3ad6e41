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
