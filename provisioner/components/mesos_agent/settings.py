"""What Mesos' role refuses of an agent's variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.components.mesos_master.settings import of_flags
from provisioner.inventory.role_rules import filters
from provisioner.inventory.settings import Problem, Values


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    yield from of_flags(values, "agent")
    for message in filters("mesos").attribute_problems(values.get("mesos_agent_attributes", {})):
        yield "mesos_agent_attributes", message
    for message in filters("mesos").resource_problems(values.get("mesos_agent_resources", "")):
        yield "mesos_agent_resources", message
