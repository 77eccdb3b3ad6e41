"""What Registrator's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals
from provisioner.inventory.settings import Problem, Values

FLAGS = "registrator_extra_flags"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    for message in filters("flags").go_flag_problems(values.get(FLAGS, []), FLAGS, internals("registrator")["__registrator_flags"]):
        yield FLAGS, message
