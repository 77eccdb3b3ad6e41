"""How secrets get new values while the cluster lives: `components/<name>/rotation.py` holds the component's `ROTATIONS`.

The stage stands in the file of the secrets itself, so that it survives whatever ends a run, and is reached by an ordinary `up`:

1. introduce: `vault_X_next` is the new value beside `vault_X`. Both are accepted, the old one is brought.
2. use: `vault_X` is the new value, `vault_X_old` the one before. Both are accepted, the new one is brought.
3. Then `vault_X_old` goes, and only the new one is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.components import COMPONENTS
from provisioner.components.model import Component

NEXT, OLD = "_next", "_old"


@dataclass(frozen=True)
class Rotation:
    """Secrets that change together. `name` is what people call them, `secrets` are their names without `vault_`.

    `both`: old and new are accepted beside each other; without, it begins with the second stage, and each member goes from one to the
    other. `together`: members of the component with different values can't serve beside each other, so all of them stop and start as one;
    meanwhile the component `between` is brought up on one host, to give them what they left.
    `alone`: nothing else may change in the same run. With `turns` who brings it is called otherwise each time (`vault_X_turn`), as the
    server knows one secret for each name. `closed` says why it can't be rotated in an open cluster; `felt` is what people notice of it.
    """

    name: str
    secrets: tuple[str, ...]
    both: bool = True
    together: bool = False
    alone: bool = False
    turns: bool = False
    between: str = ""
    closed: str = ""
    felt: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """The names under which roles get them."""
        return tuple(f"vault_{name}" for name in self.secrets)


def of(component: Component) -> tuple[Rotation, ...]:
    """Those of a component; none where its folder says nothing."""
    found: tuple[Rotation, ...] = getattr(component.part("rotation"), "ROTATIONS", ())
    return found


def rotations() -> dict[str, tuple[Component, Rotation]]:
    """All by name, with the component whose they are."""
    return {each.name: (component, each) for component in COMPONENTS for each in of(component)}
