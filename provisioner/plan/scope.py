"""What a plan is limited to and how far it may go: the options that `plan`, `up` and `upgrade` share."""

from __future__ import annotations

from dataclasses import dataclass

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
