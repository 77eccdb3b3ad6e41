"""Where Marathon and Chronos keep their framework id in ZooKeeper, and what has to go with it.

Marathon (ZkPersistenceStore, docs/framework-id.md of 1.11): <path>/state/framework-id/b/id, where b is the bucket, |hash of "id"| mod 16 in
hex; it refuses to ask for a new id while records of instances stand below <path>/state/instance. Chronos (FrameworkIdUtil over Mesos'
ZooKeeperState): <zk_path>/state/frameworkId. Apps and jobs are kept elsewhere and stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
    if name == "marathon":
        # By hand: there may be several servers, and a slash in the password.
        state = "/" + str(variables["marathon_zk_url"]).removeprefix("zk://").rpartition("@")[2].partition("/")[2].strip("/") + "/state"
        return Store(f"{state}/framework-id/b/id", f"{state}/instance")
    return Store("/" + str(variables["chronos_zk_path"]).strip("/") + "/state/frameworkId")


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
