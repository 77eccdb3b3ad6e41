"""How a verb that ran a plan ends."""

from __future__ import annotations

from provisioner.cluster.names import host_list
from provisioner.errors import UnreachableError
from provisioner.run.engine import Result


def exit_code(result: Result) -> int:
    """0; raises UnreachableError when hosts were left out."""
    if result.unreachable:
        raise UnreachableError(f"not reached: {host_list(sorted(result.unreachable))}; every host that answered is up to date",
                               hint="bring them back and run the same command again")
    return 0
