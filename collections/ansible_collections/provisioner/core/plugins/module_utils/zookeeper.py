"""A client of ZooKeeper's own protocol, as much of it as roles need: a host has no other that a module could load."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SESSION_MS = 10000
#: Operations and answers (ZooDefs.OpCode, KeeperException.Code).
CREATE, GET_DATA, GET_ACL, SET_ACL, GET_CHILDREN, AUTH, CLOSE = 1, 4, 6, 7, 8, 100, -11
NO_NODE, NODE_EXISTS = -101, -110
AUTH_XID = -4
#: The fields of a Stat, of which the eighth says whose session an ephemeral node belongs to.
STAT = struct.Struct(">qqqqiiiqiiq")


class ZooKeeperError(Exception):
    """An answer that is none of those expected."""


class Session:
    """One connection that is logged in. Raises OSError, ZooKeeperError."""

    def __init__(self, connection: socket.socket, user: str, password: str) -> None:
        self._connection, self._xid = connection, 0
        self._send(struct.pack(">iqiqi", 0, 0, SESSION_MS, 0, 16) + bytes(16) + b"\0")
        if struct.unpack(">i", self._receive()[4:8])[0] <= 0:
            raise ZooKeeperError("it refuses the session")
        self._send(struct.pack(">iii", AUTH_XID, AUTH, 0) + _text("digest") + _text(f"{user}:{password}"))
        if _error(self._receive()):
            raise ZooKeeperError("it refuses the password")

    def create(self, path: str, rules: list[tuple[int, str, str]]) -> bool:
        """Whether the node was made: false where it was there."""
        code, _ = self._ask(CREATE, _text(path) + _text("") + _rules(rules) + struct.pack(">i", 0), NODE_EXISTS)
        return code == 0

    def rules(self, path: str) -> list[tuple[int, str, str]] | None:
        """Who may do what with a node; None where it is gone."""
        code, answer = self._ask(GET_ACL, _text(path), NO_NODE)
        if code:
            return None
        found, at = [], 4
        for _ in range(struct.unpack(">i", answer[:4])[0]):
            bits = struct.unpack(">i", answer[at:at + 4])[0]
            scheme, at = _read(answer, at + 4)
            who, at = _read(answer, at)
            found.append((bits, scheme, who))
        return found

    def set_rules(self, path: str, rules: list[tuple[int, str, str]]) -> None:
        """Give a node these rules; one that is gone needs none."""
        self._ask(SET_ACL, _text(path) + _rules(rules) + struct.pack(">i", -1), NO_NODE)

    def children(self, path: str) -> list[str]:
        """The names below a node."""
        code, answer = self._ask(GET_CHILDREN, _text(path) + b"\0", NO_NODE)
        found, at = [], 4
        for _ in range(0 if code else struct.unpack(">i", answer[:4])[0]):
            name, at = _read(answer, at)
            found.append(name)
        return found

    def ephemeral(self, path: str) -> bool:
        """Whether a node goes with the session that made it; so does one that is gone."""
        code, answer = self._ask(GET_DATA, _text(path) + b"\0", NO_NODE)
        return bool(code or STAT.unpack(answer[-STAT.size:])[7])

    def close(self) -> None:
        """End the session, so that it has not to time out."""
        self._ask(CLOSE, b"")

    def _ask(self, operation: int, body: bytes, *accepted: int) -> tuple[int, bytes]:
        self._xid += 1
        self._send(struct.pack(">ii", self._xid, operation) + body)
        answer = self._receive()
        code = _error(answer)
        if code and code not in accepted:
            raise ZooKeeperError(f"operation {operation} ends with error {code}")
        return code, answer[16:]

    def _send(self, packet: bytes) -> None:
        self._connection.sendall(struct.pack(">i", len(packet)) + packet)

    def _receive(self) -> bytes:
        return self._exactly(struct.unpack(">i", self._exactly(4))[0])

    def _exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            more = self._connection.recv(size - len(found))
            if not more:
                raise ZooKeeperError("it closes the connection")
            found += more
        return found


@contextmanager
def session(address: str, port: int, user: str, password: str, seconds: float = 10.0) -> Iterator[Session]:
    """A session with a member."""
    with socket.create_connection((address, port), seconds) as connection:
        opened = Session(connection, user, password)
        yield opened
        opened.close()


def _error(answer: bytes) -> int:
    code: int = struct.unpack(">i", answer[12:16])[0]
    return code


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">i", len(raw)) + raw


def _read(answer: bytes, at: int) -> tuple[str, int]:
    size = max(0, struct.unpack(">i", answer[at:at + 4])[0])
    return answer[at + 4:at + 4 + size].decode(), at + 4 + size


def _rules(rules: list[tuple[int, str, str]]) -> bytes:
    return struct.pack(">i", len(rules)) + b"".join(struct.pack(">i", bits) + _text(scheme) + _text(who) for bits, scheme, who in rules)


def as_rules(rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """The rules that a role writes as rows of `perms`, `scheme` and `id`; without those for nobody."""
    return sorted((int(row["perms"]), str(row["scheme"]), str(row["id"])) for row in rows if row["id"])
