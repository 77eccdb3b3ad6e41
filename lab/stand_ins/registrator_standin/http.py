"""JSON over HTTP, to a TCP address or a Unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Endpoint:
    """One HTTP server, named `unix:///path`, `tcp://host:port` or `http://host:port`."""

    def __init__(self, url: str, default_port: int, headers: dict[str, str] | None = None) -> None:
        self._url, self._port, self._headers = urlsplit(url), default_port, headers or {}

    def ask(self, method: str, path: str, body: object = None, timeout: float = 30.0) -> Any:
        """The answer to a request, None for an empty one. Raises OSError, also for any status but 2xx."""
        connection = self._connection(timeout)
        try:
            answer = self._answer(connection, method, path, body)
            text = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()
        return json.loads(text) if text.strip() else None

    def lines(self, path: str) -> Iterator[dict[str, Any]]:
        """The objects of an endless answer, one in each line, until it ends. Raises OSError."""
        connection = self._connection(None)
        answer = self._answer(connection, "GET", path, None)
        for line in answer:
            if line.strip():
                yield json.loads(line)

    def _connection(self, timeout: float | None) -> http.client.HTTPConnection:
        if self._url.scheme == "unix":
            return _UnixConnection(self._url.path, timeout)
        return http.client.HTTPConnection(self._url.hostname or "127.0.0.1", self._url.port or self._port, timeout=timeout)

    def _answer(self, connection: http.client.HTTPConnection, method: str, path: str, body: object) -> http.client.HTTPResponse:
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json", **self._headers})
        answer = connection.getresponse()
        if answer.status == 404:
            raise FileNotFoundError(f"{method} {path}: 404")
        if not 200 <= answer.status < 300:
            raise OSError(f"{method} {path}: {answer.status} {answer.read(300).decode(errors='replace').strip()}")
        return answer
