"""The roles' own client of ZooKeeper, and what it does to a tree, against a server of a few lines that speaks the same protocol."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.module_utils import zookeeper
from ansible_collections.provisioner.core.plugins.module_utils.zookeeper import ZooKeeperError, session
from ansible_collections.provisioner.core.plugins.modules.zookeeper_rules import give

Rule = tuple[int, str, str]
WORLD: list[Rule] = [(31, "world", "anyone")]
OWN: list[Rule] = [(31, "digest", "mesos:x")]


def text(value: str) -> bytes:
    return struct.pack(">i", len(value)) + value.encode()


class Server:
    """Nodes by path: their rules, and whether they are ephemeral."""

    def __init__(self) -> None:
        self.nodes: dict[str, tuple[list[Rule], bool]] = {"/": (WORLD, False)}
        self.set: list[str] = []
        self.password = b"super:secret"
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        def send(packet: bytes) -> None:
            connection.sendall(struct.pack(">i", len(packet)) + packet)

        packet = self._packet(connection)
        send(struct.pack(">iiqi", 0, 10000, 7, 16) + bytes(16) + b"\0")
        while packet := self._packet(connection):
            xid, operation = struct.unpack(">ii", packet[:8])
            body = packet[8:]
            if operation == zookeeper.AUTH:
                send(struct.pack(">iqi", xid, 0, 0 if body.endswith(self.password) else -115))
                continue
            if operation == zookeeper.CLOSE:
                send(struct.pack(">iqi", xid, 0, 0))
                return
            length = struct.unpack(">i", body[:4])[0]
            path, rest = body[4:4 + length].decode(), body[4 + length:]
            code, answer = self._do(operation, path, rest)
            send(struct.pack(">iqi", xid, 0, code) + answer)

    def _do(self, operation: int, path: str, rest: bytes) -> tuple[int, bytes]:
        if operation == zookeeper.CREATE:
            if path in self.nodes:
                return zookeeper.NODE_EXISTS, b""
            self.nodes[path] = (self._rules(rest[4:]), False)
            return 0, text(path)
        if path not in self.nodes:
            return zookeeper.NO_NODE, b""
        rules, ephemeral = self.nodes[path]
        stat = zookeeper.STAT.pack(0, 0, 0, 0, 0, 0, 0, 9 if ephemeral else 0, 0, 0, 0)
        if operation == zookeeper.GET_ACL:
            rows = b"".join(struct.pack(">i", bits) + text(scheme) + text(who) for bits, scheme, who in rules)
            return 0, struct.pack(">i", len(rules)) + rows + stat
        if operation == zookeeper.SET_ACL:
            self.nodes[path] = (self._rules(rest), ephemeral)
            self.set.append(path)
            return 0, stat
        if operation == zookeeper.GET_DATA:
            return 0, struct.pack(">i", -1) + stat
        below = [other[len(path.rstrip("/")) + 1:] for other in self.nodes if other != "/" and other.rpartition("/")[0] == path.rstrip("/")]
        return 0, struct.pack(">i", len(below)) + b"".join(map(text, below))

    @staticmethod
    def _rules(rest: bytes) -> list[Rule]:
        found, at = [], 4
        for _ in range(struct.unpack(">i", rest[:4])[0]):
            bits = struct.unpack(">i", rest[at:at + 4])[0]
            words = []
            at += 4
            for _ in range(2):
                size = struct.unpack(">i", rest[at:at + 4])[0]
                words.append(rest[at + 4:at + 4 + size].decode())
                at += 4 + size
            found.append((bits, words[0], words[1]))
        return found

    @staticmethod
    def _packet(connection: socket.socket) -> bytes:
        size = connection.recv(4, socket.MSG_WAITALL)
        return connection.recv(struct.unpack(">i", size)[0], socket.MSG_WAITALL) if len(size) == 4 else b""


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.listener.close()


def run(server: Server, path: str, rules: list[Rule], **how: Any) -> list[str]:
    with session("127.0.0.1", server.listener.getsockname()[1], "super", "secret") as opened:
        return give(opened, path, rules, how.get("below", False), how.get("check", False))


def test_a_node_that_is_missing_is_made_with_its_rules(server: Server) -> None:
    assert run(server, "/mesos", OWN) == ["/mesos"]
    assert server.nodes["/mesos"] == (OWN, False)
    assert run(server, "/mesos", OWN) == [], "nothing is to be done twice"
    assert server.set == []


def test_what_is_below_gets_the_same_but_what_goes_with_its_session(server: Server) -> None:
    server.nodes |= {"/mesos": (OWN, False), "/mesos/log": (WORLD, False), "/mesos/log/1": (WORLD, True), "/mesos/log/deep": (WORLD, False),
                     "/other": (WORLD, False)}
    assert run(server, "/mesos", OWN, below=True) == ["/mesos/log", "/mesos/log/deep"]
    assert server.nodes["/mesos/log/1"][0] == server.nodes["/other"][0] == WORLD
    assert run(server, "/mesos", OWN, below=True) == []


def test_a_preview_changes_nothing(server: Server) -> None:
    assert run(server, "/", OWN, check=True) == ["/"]
    assert run(server, "/new", OWN, check=True) == ["/new"]
    assert server.nodes == {"/": (WORLD, False)}


def test_a_wrong_password_is_said(server: Server) -> None:
    server.password = b"super:other"
    with pytest.raises(ZooKeeperError, match="refuses the password"):
        run(server, "/", OWN)
