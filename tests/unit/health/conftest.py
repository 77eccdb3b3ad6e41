"""A host for the health probe to look at: units that are up, and HTTP servers that answer what was recorded."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner.probe.health import systemd

DATA = Path(__file__).parents[2] / "data" / "mesos"
#: "GET /path" or, for Mesos' operator API, the call's type → status, body or what makes it of the query, and a Location where there is one.
Routes = Mapping[str, tuple[Any, ...]]
Serve = Callable[[Routes], str]


@pytest.fixture(autouse=True)
def units(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """Every unit has been active for long; a test may put others in by name."""
    named: dict[str, dict[str, str]] = {}
    active = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "MainPID": "7",
              "NRestarts": "0", "Result": "success", "ActiveEnterTimestampMonotonic": "0"}
    monkeypatch.setattr(systemd, "unit", lambda name: named.get(name, active))
    monkeypatch.setattr("provisioner.components.common.health.unit", lambda name: named.get(name, {"ActiveState": "inactive"}))
    return named


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """What a real Mesos answered."""
    return lambda name: json.loads((DATA / f"{name}.json").read_text())


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with these answers and give its `host:port`. What it does not know is 404."""
    servers: list[ThreadingHTTPServer] = []

    def start(routes: Routes) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(routes))
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _handler(routes: Routes) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self, key: str) -> None:
            status, body, *headers = routes.get(key, (404, "404 Not Found."))
            if callable(body):
                body = body(self.path.partition("?")[2])
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers[0].items() if headers else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            key = f"GET {self.path.split('?')[0]}"
            secret = f"{key} {self.headers.get('X-Consul-Token', '')}"
            self._answer(secret if secret in routes else key)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            login = self.headers.get("Authorization", "")
            self._answer(f"{body['type']} {login}".strip())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
