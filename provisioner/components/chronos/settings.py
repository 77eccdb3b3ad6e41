"""What Chronos's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals, known_flags
from provisioner.inventory.settings import Problem, Values

FLAGS = "chronos_extra_flags"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    flags, extra = filters("flags"), values.get(FLAGS, {})
    for message in flags.flag_problems(extra, FLAGS, known_flags("chronos"), internals("chronos")["__chronos_owned"]):
        yield FLAGS, message
    for message in flags.scallop_problems(extra, "Chronos"):
        yield FLAGS, message
