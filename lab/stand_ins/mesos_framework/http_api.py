"""A small JSON HTTP server whose followers pass every request on to the leader."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
import ssl
import sys
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mesos_framework.doors import OPEN, Listener, Lock

LOG = logging.getLogger("http")
PROXY_SECONDS = 10
#: Headers that belong to one connection, and those that the server writes itself.
OWN_HEADERS = frozenset({"connection", "transfer-encoding", "content-length", "server", "date", "host"})


@dataclass(frozen=True)
class Request:
    """What a route gets: the groups of its pattern, the query's last values, the body."""

    method: str
    path: str
    groups: tuple[str, ...]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """A status with a body: text as it is, anything else as JSON, None as nothing."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    def data(self) -> bytes:
        """The bytes that go out."""
        if self.body is None:
            return b""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


@dataclass(frozen=True)
class Route:
    """Method, pattern of the whole path, and who answers on the leader."""

    method: str
    pattern: str
    handler: Callable[[Request], Answer]


@dataclass(frozen=True)
class Manners:
    """How a member passes on what only the leader answers.

    Names of the headers that tell of it, how long it waits while no leader is known or it is about to lead itself, and the
    status of an answer that could not be had. With `trust` it asks by HTTPS, and says that it is asked so itself.
    """

    leader_header: str = ""
    via_header: str = ""
    wait_seconds: float = 0.0
    failure: int = 500
    trust: ssl.SSLContext | None = None

    @property
    def scheme(self) -> str:
        """How the leader is asked."""
        return "https" if self.trust else "http"

    def connect(self, server: str) -> http.client.HTTPConnection:
        """To host:port."""
        if self.trust:
            return http.client.HTTPSConnection(server, timeout=PROXY_SECONDS, context=self.trust)
        return http.client.HTTPConnection(server, timeout=PROXY_SECONDS)


@dataclass(frozen=True)
class Leadership:
    """What the proxy must know: the member itself as host:port, and where the leader is now."""

    own: str
    leader: Callable[[], str]
    elected: Callable[[], bool]


class Api:
    """Routes requests; answers them here, or lets the leader do so and adds the headers of the real program."""

    def __init__(self, routes: tuple[Route, ...], leadership: Leadership, manners: Manners) -> None:
        self._routes = [(r, re.compile(r.pattern)) for r in routes]
        self._leadership, self._manners = leadership, manners

    def answer(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to one request."""
        if not self._leads():
            return self._proxy(method, target, body, headers)
        parts = urllib.parse.urlsplit(target)
        path = parts.path.rstrip("/") or "/"
        found = [(r, m) for r, p in self._routes if (m := p.fullmatch(path))]
        match = next(((r, m) for r, m in found if r.method == method), None)
        if match is None:
            return Answer(405 if found else 404, {"message": "Method Not Allowed" if found else "URI not found"})
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        groups = tuple(urllib.parse.unquote(g) if g else "" for g in match[1].groups())
        answer = match[0].handler(Request(method, path, groups, query, body))
        header = self._manners.leader_header
        own = {header: f"{self._manners.scheme}://{self._leadership.own}"} if header else {}
        return Answer(answer.status, answer.body, {**answer.headers, **own}, answer.content_type)

    def _leads(self) -> bool:
        """Whether this member leads."""
        deadline = time.monotonic() + self._manners.wait_seconds
        while not self._leadership.elected():
            if self._leadership.leader() not in ("", self._leadership.own) or time.monotonic() >= deadline:
                return False
            time.sleep(0.1)
        return True

    def _proxy(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        leader, via = self._leadership.leader(), self._manners.via_header
        if leader in ("", self._leadership.own) or (via and via in headers):
            return Answer(self._manners.failure, {"message": "Could not determine the current leader"})
        own = {via: self._leadership.own} if via else {}
        passed = {k: v for k, v in headers.items() if k.lower() not in OWN_HEADERS}
        connection = self._manners.connect(leader)
        try:
            connection.request(method, target, body or None, {**passed, **own})
            answer = connection.getresponse()
            kept = {k: v for k, v in answer.getheaders() if k.lower() not in {*OWN_HEADERS, "content-type"}}
            content_type = answer.getheader("Content-Type", "application/json")
            return Answer(answer.status, answer.read().decode(), {**kept, **own}, content_type)
        except (OSError, http.client.HTTPException) as error:
            # Only a connection that there is none of gets the status for it.
            spoken = isinstance(error, (ssl.SSLError, http.client.HTTPException))
            return Answer(500 if spoken else self._manners.failure, {"message": f"Error proxying request to leader {leader}: {error!r}"})
        finally:
            connection.close()


def unauthorized(realm: str) -> Answer:
    """To who brings no pair, or another one."""
    return Answer(401, "<html><body><h2>HTTP ERROR 401 Unauthorized</h2></body></html>", {"WWW-Authenticate": f'Basic realm="{realm}"'},
                  "text/html;charset=iso-8859-1")


class _Server(ThreadingHTTPServer):
    context: ssl.SSLContext | None = None
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        # The inherited one asks DNS for the machine's own name, which can hang.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        # In the thread of the request: whoever connects and says nothing must not keep others out.
        if self.context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(PROXY_SECONDS)
        with self.context.wrap_socket(request, server_side=True) as secure:
            super().finish_request(secure, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        error = sys.exc_info()[1]
        if isinstance(error, (ConnectionError, ssl.SSLError, TimeoutError)):
            # A client that did not wait for its answer: nothing of ours failed.
            LOG.info("%s went away: %s", client_address, error)
        else:
            LOG.exception("Request of %s failed", client_address)


def serve(api: Api, listener: Listener, product: str, lock: Lock = OPEN) -> ThreadingHTTPServer:
    """A bound server that answers who opens the lock with `api`, once its serve_forever() runs. Raises OSError when the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = product
        sys_version = ""
        timeout = 60

        def _handle(self) -> None:
            body, headers = self.rfile.read(int(self.headers.get("Content-Length") or 0)), dict(self.headers.items())
            try:
                # Before anything else is looked at: a follower asks for the pair itself, and passes it on.
                answer = api.answer(self.command, self.path, body, headers) if lock.opens(headers) else unauthorized(lock.realm)
            except Exception as error:
                # The boundary of a request: one bad request must not end the thread without an answer.
                LOG.exception("%s %s", self.command, self.path)
                answer = Answer(500, {"message": str(error)})
            data = answer.data()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            LOG.info("%s %s", self.address_string(), format % args)

    server = _Server((listener.address, listener.port), Handler)
    server.context = listener.context
    return server
