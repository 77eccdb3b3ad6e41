"""What a plan is limited to and how far it may go: the options that `plan`, `up` and `upgrade` share."""

from __future__ import annotations

import re
from dataclasses import dataclass

from provisioner.errors import UsageError

#: How many agents at a time, unless asked otherwise.
BATCH = "20%"


@dataclass(frozen=True)
class Scope:
    """`only`: these components, all when empty. `limit`: these hosts or groups, separated by commas. `full`: run every role, also where
    nothing differs from what was applied. `batch`: agents at a time, a number or a share. `any_version`: also a change of version that
    is known to fail. `strict`: refuse hosts whose key is not known yet.
    """

    only: tuple[str, ...] = ()
    limit: str | None = None
    full: bool = False
    batch: str = BATCH
    any_version: bool = False
    strict: bool = False


def share(batch: str, hosts: int) -> int:
    """How many hosts at a time: "20%" of them, rounded down, or a number; at least one. Raises UsageError."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})(%?)", batch)
    if found is None or (found[2] and int(found[1]) > 100):
        raise UsageError(f"--batch: {batch!r} is not a number of hosts", hint="a number such as 5, or a percentage such as 20%")
    return max(1, hosts * int(found[1]) // 100 if found[2] else int(found[1]))
