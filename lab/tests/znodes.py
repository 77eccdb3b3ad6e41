"""A ZooKeeper in memory, as far as the stand-ins of Marathon and Chronos use one through kazoo: nodes, rules, sequence numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from kazoo.exceptions import NoAuthError, NodeExistsError, NoNodeError
from kazoo.security import ACL, OPEN_ACL_UNSAFE, Permissions

Watch = Callable[[object], None]


class Znodes:
    """The tree; `data` and `rules` by path. Rules name the login itself in place of its digest."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.rules: dict[str, list[ACL]] = {}
        self.numbers = itertools.count()
        self.watches: dict[str, list[Watch]] = {}

    def allows(self, login: str, path: str, permission: int) -> bool:
        """May a client with this login, or "", do it?"""
        return any(rule.perms & permission and rule.id.id in ("anyone", login) for rule in self.rules[path])


class Session:
    """One client; with a login its nodes get the rules `acl`."""

    def __init__(self, nodes: Znodes, login: str = "", acl: Sequence[ACL] = OPEN_ACL_UNSAFE) -> None:
        self.nodes, self._login, self._acl = nodes, login, list(acl) if login else OPEN_ACL_UNSAFE

    def _at(self, path: str, permission: int) -> None:
        if path not in self.nodes.data:
            raise NoNodeError
        if not self.nodes.allows(self._login, path, permission):
            raise NoAuthError

    def get_children(self, path: str, watch: Watch | None = None) -> list[str]:
        self._at(path, Permissions.READ)
        if watch:
            self.nodes.watches.setdefault(path, []).append(watch)
        return sorted({p[len(path) + 1:].split("/")[0] for p in self.nodes.data if p.startswith(f"{path}/")})

    def get(self, path: str) -> tuple[bytes, None]:
        self._at(path, Permissions.READ)
        return self.nodes.data[path], None

    def get_async(self, path: str) -> Later:
        return Later(lambda: self.get(path))

    def set(self, path: str, data: bytes) -> None:
        self._at(path, Permissions.WRITE)
        self.nodes.data[path] = data

    def create(self, path: str, data: bytes = b"", acl: Sequence[ACL] | None = None, *, ephemeral: bool = False, sequence: bool = False,
               makepath: bool = False) -> str:
        if sequence:
            path = f"{path}{next(self.nodes.numbers):010d}"
        parent = path.rpartition("/")[0]
        if makepath:
            self.ensure_path(parent, acl)
        if path in self.nodes.data:
            raise NodeExistsError
        if parent:
            self._at(parent, Permissions.CREATE)
        self.nodes.data[path] = data
        given = acl if acl is not None else self._acl
        self.nodes.rules[path] = [r if r.id.scheme == "world" else ACL(r.perms, r.id._replace(id=self._login)) for r in given]
        self._tell(parent)
        return path

    def ensure_path(self, path: str, acl: Sequence[ACL] | None = None) -> None:
        parts = path.strip("/").split("/")
        for depth in range(1, len(parts) + 1):
            if (node := "/" + "/".join(parts[:depth])) not in self.nodes.data:
                self.create(node, b"", acl)

    def delete(self, path: str) -> None:
        self._at(path, 0xFF)
        del self.nodes.data[path]
        self._tell(path.rpartition("/")[0])

    def _tell(self, path: str) -> None:
        for watch in self.nodes.watches.pop(path, []):
            watch(None)


class Later:
    """An answer that is asked for with a time limit."""

    def __init__(self, answer: Callable[[], tuple[bytes, None]]) -> None:
        self._answer = answer

    def get(self, timeout: float) -> tuple[bytes, None]:
        del timeout
        return self._answer()
