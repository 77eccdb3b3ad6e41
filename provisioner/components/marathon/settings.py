"""What Marathon's role refuses of its variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals, known_flags
from provisioner.inventory.settings import Problem, Values

FLAGS = "marathon_extra_flags"


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    flags, extra = filters("flags"), values.get(FLAGS, {})
    for message in flags.flag_problems(extra, FLAGS, known_flags("marathon"), internals("marathon")["__marathon_owned"]):
        yield FLAGS, message
    for message in flags.scallop_problems(extra, "Marathon"):
        yield FLAGS, message
