"""What ZooKeeper's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals
from provisioner.inventory.settings import Problem, Values

CONFIG = "zookeeper_extra_config"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    for message in filters("flags").setting_problems(values.get(CONFIG, {}), CONFIG, internals("zookeeper")["__zookeeper_owned"]):
        yield CONFIG, message
