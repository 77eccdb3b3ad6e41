"""An HTTP/1.1 server on asyncio: just what libprocess offers, with its headers and its texts; idle costs nothing."""

from __future__ import annotations

import asyncio
import json
import traceback
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Union

from mesos_standin import process

_MAX_BODY = 16 * 1024 * 1024
MAX_LINE = 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case, path is decoded and without query."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    peer: str


@dataclass(frozen=True)
class Response:
    """One answer with a complete body."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class Stream:
    """An answer that stays open: send() queues a chunk, on_close is called once when either side ends it."""

    def __init__(self, headers: dict[str, str], on_close: Callable[[], None]) -> None:
        self.headers = headers
        self.open = True
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._on_close = on_close

    def send(self, chunk: bytes) -> None:
        """Queues a chunk; after the end it is dropped."""
        if self.open:
            self._chunks.put_nowait(chunk)

    def close(self) -> None:
        """Ends the stream after what is queued."""
        self._chunks.put_nowait(None)

    def ended(self) -> None:
        """Called when the connection is gone."""
        self.open = False
        self._on_close()

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Writes chunks until one side closes."""
        writer.write(_head(200, {**self.headers, "Transfer-Encoding": "chunked", "Content-Type": "application/json"}))
        pump = asyncio.ensure_future(self._pump(writer))
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({pump, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (pump, gone):
                task.cancel()
            self.ended()

    async def _pump(self, writer: asyncio.StreamWriter) -> None:
        while True:
            chunk = await self._chunks.get()
            if chunk is None:
                writer.write(b"0\r\n\r\n")
                await writer.drain()
                return
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()


Answer = Union[Response, Stream]  # noqa: UP007 - evaluated, and Python 3.9 has no X | Y for classes
Handler = Callable[[Request], Awaitable[Answer]]


def text(status: int, message: str, **headers: str) -> Response:
    """A plain text answer, as libprocess sends its errors."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, message.encode(), "text/plain; charset=utf-8", named)


def as_json(value: Any) -> Response:
    """A 200 answer with JSON."""
    return Response(200, json.dumps(value, separators=(",", ":")).encode(), "application/json")


def method_not_allowed(request: Request, allowed: str = "POST") -> Response:
    """The 405 of an endpoint that takes one method only."""
    message = f"405 Method Not Allowed. Expecting one of {{ '{allowed}' }}, but received '{request.method}'."
    return text(405, message, Allow=allowed)


NOT_FOUND = text(404, "404 Not Found.")


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    return ("\r\n".join([*lines, *(f"{k}: {v}" for k, v in headers.items())]) + "\r\n\r\n").encode()


async def serve(handler: Handler, address: str, port: int) -> tuple[asyncio.AbstractServer, int]:
    """Listens on address:port (0 = any free one) and returns the server and its port; OSError when it cannot."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await _exchange(handler, reader, writer):
                pass
        except (OSError, EOFError, ValueError, asyncio.CancelledError):
            pass  # the peer went away or does not speak HTTP: libprocess closes the socket too
        finally:
            writer.close()

    server = await asyncio.start_server(connection, address, port, limit=MAX_LINE, reuse_address=True)
    return server, int(server.sockets[0].getsockname()[1])


async def _exchange(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    line = await reader.readline()
    if not line.strip():
        return False
    method, target, _version = line.decode("latin-1").split()
    headers = await read_headers(reader)
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    parts = urllib.parse.urlsplit(target)
    peer = writer.get_extra_info("peername") or ("", 0)
    query = dict(urllib.parse.parse_qsl(parts.query))
    body = await read_body(reader, headers, to_end=False)
    request = Request(method, urllib.parse.unquote(parts.path), query, headers, body, f"{peer[0]}:{peer[1]}")
    answer = await _answered(handler, request)
    if isinstance(answer, Stream):
        await answer.run(reader, writer)
        return False
    shown = {**answer.headers, "Content-Length": str(len(answer.body))}
    if answer.content_type:
        shown["Content-Type"] = answer.content_type
    writer.write(_head(answer.status, shown) + (b"" if method == "HEAD" else answer.body))
    await writer.drain()
    return headers.get("connection", "").lower() != "close"


async def _answered(handler: Handler, request: Request) -> Answer:
    try:
        return await handler(request)
    except Exception:  # one bad request must not end a master; the log names the stand-in's fault
        process.warning(f"{request.method} {request.path} failed in the stand-in:\n{traceback.format_exc()}")
        return text(500, "500 Internal Server Error: the stand-in failed, see its log")


async def read_headers(reader: asyncio.StreamReader) -> dict[str, str]:
    """The header lines up to the empty one, names in lower case."""
    headers: dict[str, str] = {}
    while True:
        line = (await reader.readline()).decode("latin-1").strip()
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str], *, to_end: bool) -> bytes:
    """The body as its headers announce it; without a length nothing, or with `to_end` all up to the end."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        parts: list[bytes] = []
        while True:
            chunk = await read_chunk(reader)
            if not chunk:
                return b"".join(parts)
            parts.append(chunk)
    if "content-length" not in headers:
        return await reader.read(_MAX_BODY) if to_end else b""
    length = int(headers["content-length"])
    if length > _MAX_BODY:
        raise ValueError(f"a body of {length} bytes is too large")
    return await reader.readexactly(length)


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """The next chunk of a chunked body, b'' at its end."""
    size = int((await reader.readline()).split(b";")[0] or b"0", 16)
    chunk = await reader.readexactly(size)
    await reader.readline()
    return chunk
