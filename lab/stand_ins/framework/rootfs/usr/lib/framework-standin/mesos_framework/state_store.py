"""Named JSON documents that outlive the process: in ZooKeeper, or in memory for tests."""

from __future__ import annotations

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
        data = json.dumps(document, separators=(",", ":")).encode()
        try:
            self._client.set(self._node(kind, name), data)
        except NoNodeError:
            self._client.create(self._node(kind, name), data, makepath=True)

    def drop(self, kind: str, name: str) -> None:
        try:
            self._client.delete(self._node(kind, name))
        except NoNodeError:
            return

    def _node(self, kind: str, name: str) -> str:
        return f"{self._path}/{kind}/{urllib.parse.quote(name, safe='')}"
