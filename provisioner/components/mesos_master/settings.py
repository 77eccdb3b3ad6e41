"""What Mesos' role refuses of a master's variables."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.role_rules import filters, internals, known_flags
from provisioner.inventory.settings import Problem, Values


def problems(values: Values) -> Iterator[Problem]:
    """The problems of one host."""
    yield from of_flags(values, "master")
    for message in filters("mesos").principal_problems(values.get("mesos_principals", {})):
        yield "mesos_principals", message


def of_flags(values: Values, part: str) -> Iterator[Problem]:
    """Those of the extra flags of a `master` or an `agent`."""
    variable = f"mesos_{part}_extra_flags"
    known, owned = known_flags("mesos")[part], internals("mesos")["__mesos_owned"][part]
    for message in filters("flags").flag_problems(values.get(variable, {}), variable, known, owned, empty=True):
        yield variable, message
