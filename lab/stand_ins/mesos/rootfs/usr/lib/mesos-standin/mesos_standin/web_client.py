"""HTTP requests from one stand-in process to another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from mesos_standin.web import MAX_LINE, Response, read_body, read_headers

_T = TypeVar("_T")


class Unreachable(Exception):
    """The other process could not be asked."""


@dataclass(frozen=True)
class Connection:
    """A streaming answer on the client's side."""

    response: Response
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def post(address: str, path: str, value: Any, timeout: float) -> Response:
    """POSTs JSON to address (host:port) and returns the whole answer; Unreachable when there is none in time."""

    async def exchange() -> Response:
        link = await _send(address, path, value)
        try:
            body = await read_body(link.reader, link.response.headers, to_end=True)
        finally:
            link.writer.close()
        return Response(link.response.status, body)

    return await _in_time(exchange(), timeout, address)


async def open_stream(address: str, path: str, value: Any, timeout: float) -> Connection:
    """POSTs JSON and returns as soon as the answer's head is there; the caller reads chunks and closes the writer."""
    return await _in_time(_send(address, path, value), timeout, address)


async def _in_time(work: Coroutine[Any, Any, _T], timeout: float, address: str) -> _T:
    try:
        return await asyncio.wait_for(work, timeout)
    except asyncio.TimeoutError:  # noqa: UP041 - another class than TimeoutError before Python 3.11
        raise Unreachable(f"{address} did not answer in {timeout:g}s") from None
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise Unreachable(f"Failed to connect to {address}: {error}") from None


async def _send(address: str, path: str, value: Any) -> Connection:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=MAX_LINE)
    body = json.dumps(value).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    status = int((await reader.readline()).split()[1])
    return Connection(Response(status, headers=await read_headers(reader)), reader, writer)
