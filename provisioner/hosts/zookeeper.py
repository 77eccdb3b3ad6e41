"""ZooKeeper's tree, read and written from here through a tunnel: its port need not be open to us."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from provisioner.cluster.model import Cluster, Host
from provisioner.errors import StepFailed
from provisioner.hosts.tunnel import tunnel

if TYPE_CHECKING:
    from kazoo.client import KazooClient

START_SECONDS = 30.0


@dataclass(frozen=True)
class Node:
    """A znode that outlives its maker. `acl` has a row for each rule: permission bits, scheme, id."""

    path: str
    data: bytes
    acl: tuple[tuple[int, str, str], ...]


class Tree(Protocol):
    """What a backup needs of ZooKeeper."""

    def walk(self, left_out: Collection[str]) -> Iterator[Node]:
        """Every lasting node, parents first, without these paths and what is below them."""

    def put(self, node: Node) -> None:
        """Make a node, or give the one that is there this content and these rules."""


class KazooTree:
    """The tree through kazoo. Raises StepFailed when ZooKeeper does not do what it is asked."""

    def __init__(self, client: KazooClient) -> None:
        self._client = client

    def walk(self, left_out: Collection[str] = (), top: str = "/") -> Iterator[Node]:
        """Every lasting node from `top` on, as Tree says. A node that is deleted meanwhile is left out."""
        from kazoo.exceptions import NoNodeError

        waiting = [top]
        while waiting:
            path = waiting.pop()
            with suppress(NoNodeError):
                data, stat = self._client.get(path)
                if stat.ephemeralOwner:
                    continue
                rules, _ = self._client.get_acls(path)
                children = sorted(self._client.get_children(path), reverse=True)
                if path != "/":
                    yield Node(path, data or b"", tuple((r.perms, r.id.scheme, r.id.id) for r in rules))
                below = (f"{path.rstrip('/')}/{child}" for child in children)
                waiting += [child for child in below if child not in left_out]

    def put(self, node: Node) -> None:
        """See Tree."""
        from kazoo.exceptions import NodeExistsError
        from kazoo.security import ACL, Id

        rules = [ACL(bits, Id(scheme, who)) for bits, scheme, who in node.acl]
        try:
            self._client.create(node.path, node.data, acl=rules)
        except NodeExistsError:
            self._client.set(node.path, node.data)
            self._client.set_acls(node.path, rules)

    def own(self, path: str, acl: Sequence[tuple[int, str, str]]) -> None:
        """Give a node these rules; its content stays. One that is deleted meanwhile needs none."""
        from kazoo.exceptions import NoNodeError
        from kazoo.security import ACL, Id

        with suppress(NoNodeError):
            self._client.set_acls(path, [ACL(bits, Id(scheme, who)) for bits, scheme, who in acl])

    def delete(self, path: str) -> None:
        """Take a node without children away; one that is not there is no error."""
        from kazoo.exceptions import NoNodeError

        with suppress(NoNodeError):
            self._client.delete(path)


@contextmanager
def open_tree(cluster: Cluster, host: Host, port: int, passwords: Sequence[str]) -> Iterator[KazooTree]:
    """The tree as the super user of the ensemble sees it, through the member on this host, which knows one of these passwords.

    Raises UnreachableError when the host can't be entered, StepFailed when its ZooKeeper does not answer.
    """
    from kazoo.client import KazooClient
    from kazoo.exceptions import KazooException
    from kazoo.handlers.threading import KazooTimeoutError

    with tunnel(cluster, host, port) as server:
        client = KazooClient(server, timeout=START_SECONDS, auth_data=[("digest", f"super:{each}") for each in passwords])
        try:
            client.start(START_SECONDS)
            yield KazooTree(client)
        except (KazooException, KazooTimeoutError) as error:
            raise StepFailed(f"ZooKeeper does not do what it is asked: {type(error).__name__} {error}".strip(), where=host.name,
                             hint="'provision status' says what is wrong") from None
        finally:
            client.stop()
            client.close()
