"""Named JSON documents that outlive the process: in ZooKeeper, or in memory for tests."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from typing import Any, Protocol

from kazoo.client import KazooClient
from kazoo.exceptions import NoNodeError


class StateStore(Protocol):
    """Documents by kind ("apps") and name ("/web")."""

    def load(self, kind: str) -> dict[str, Any]:
        """All documents of a kind."""

    def put(self, kind: str, name: str, document: Any) -> None:
        """Writes one document."""

    def drop(self, kind: str, name: str) -> None:
        """Deletes one document; one that is not there is no error."""


class MemoryStore:
    """A store for tests. Documents are copied as JSON, so what was stored cannot change by accident."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str], str] = {}

    def load(self, kind: str) -> dict[str, Any]:
        return {name: json.loads(text) for (k, name), text in self._documents.items() if k == kind}

    def put(self, kind: str, name: str, document: Any) -> None:
        self._documents[kind, name] = json.dumps(document)

    def drop(self, kind: str, name: str) -> None:
        self._documents.pop((kind, name), None)


class ZooKeeperStore:
    """One znode per document: <path>/<kind>/<name, percent-encoded>."""

    def __init__(self, client: KazooClient, path: str) -> None:
        self._client, self._path = client, path
        client.ensure_path(path)

    def load(self, kind: str) -> dict[str, Any]:
        try:
            names = self._client.get_children(f"{self._path}/{kind}")
        except NoNodeError:
            return {}
        return {urllib.parse.unquote(n): json.loads(self._client.get(f"{self._path}/{kind}/{n}")[0]) for n in names}

    def put(self, kind: str, name: str, document: Any) -> None:
        self.write(_node(kind, name), json.dumps(document, separators=(",", ":")))

    def drop(self, kind: str, name: str) -> None:
        with contextlib.suppress(NoNodeError):
            self._client.delete(f"{self._path}/{_node(kind, name)}")

    def read(self, node: str, seconds: float) -> str:
        """The text of a node below the store's path, "" without it. Raises kazoo's errors, its timeout error after `seconds`."""
        try:
            return str(self._client.get_async(f"{self._path}/{node}").get(timeout=seconds)[0].decode())
        except NoNodeError:
            return ""

    def write(self, node: str, text: str) -> None:
        """Sets the text of a node below the store's path."""
        path = f"{self._path}/{node}"
        try:
            self._client.set(path, text.encode())
        except NoNodeError:
            self._client.create(path, text.encode(), makepath=True)


def _node(kind: str, name: str) -> str:
    return f"{kind}/{urllib.parse.quote(name, safe='')}"
