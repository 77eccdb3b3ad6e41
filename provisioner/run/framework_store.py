"""Where a framework keeps its id in ZooKeeper, and what has to go with it.

The paths are the component's own: `components/<name>/framework.py` has `store(variables) -> Store`, and in `LOST` what the operator is
told that a new id costs. Apps and jobs are kept elsewhere and stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

from provisioner.components import component
from provisioner.hosts.zookeeper import Node


class Nodes(Protocol):
    """What is needed of ZooKeeper here; see `KazooTree`."""

    def walk(self, left_out: Sequence[str] = (), top: str = "/") -> Any:
        """Every lasting node from `top` on, parents first; none where there is no such node."""

    def delete(self, path: str) -> None:
        """Take a node without children away; one that is not there is no error."""


@dataclass(frozen=True)
class Store:
    """The paths: of the id, and of what is only true of the tasks of that id ('' where there is none)."""

    identity: str
    instances: str = ""


@dataclass(frozen=True)
class Kept:
    """What is stored: the id's node, None where there is none, and the records that go with it."""

    identity: Node | None
    instances: tuple[Node, ...]

    def is_of(self, framework_id: str) -> bool:
        """Is this the id? Both programs wrap it into a message in which it stands as it is."""
        return self.identity is not None and framework_id.encode() in self.identity.data


def store_of(name: str, variables: Mapping[str, Any]) -> Store:
    """The paths of a component, by its role's variables."""
    found: Store = _part(name).store(variables)
    return found


def lost_with(name: str) -> str:
    """What is lost with the id of a component, in whole sentences."""
    return str(_part(name).LOST)


def _part(name: str) -> ModuleType:
    part = component(name).part("framework")
    if part is None:
        raise ValueError(f"{name} is not a framework")
    return part


def kept(tree: Nodes, store: Store) -> Kept:
    """What is there now."""
    identity = next(iter(tree.walk(top=store.identity)), None)
    below = tuple(n for n in tree.walk(top=store.instances) if n.path != store.instances) if store.instances else ()
    return Kept(identity, below)


def forget(tree: Nodes, found: Kept) -> None:
    """Delete it, the id last: broken off half way, the id still says what is to be done."""
    for node in reversed(found.instances):  # parents come first
        tree.delete(node.path)
    if found.identity:
        tree.delete(found.identity.path)
