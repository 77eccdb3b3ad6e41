"""Files of a mirror over HTTP, read-only: ranges, so that what was cut goes on, and dates, so that what is there is not sent again.

Standard library only: a lab's mirror runs this file as it is.
"""

from __future__ import annotations

import email.utils
import http.server
import mimetypes
import re
import socket
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

#: How long a connection may stay open without a word, in seconds.
IDLE_SECONDS = 120.0
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Found:
    """What is answered: a file, or the bytes of an answer."""

    content: Path | bytes
    kind: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK


class Files:
    """What lies below a folder, by its path. Symbolic links that lead out of it are not followed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def find(self, path: str) -> Found | None:
        """The file of a decoded path, or None."""
        try:
            found = (self.root / path.lstrip("/")).resolve()
            if not found.is_relative_to(self.root) or not found.is_file():
                return None
        except (OSError, ValueError):  # too long, or with a zero byte
            return None
        kind, encoding = mimetypes.guess_type(found.name)
        return Found(found, kind if kind and not encoding else "application/octet-stream")


class Server(http.server.ThreadingHTTPServer):
    """Serves what `finder.find` finds. `tls` makes it HTTPS. `say` gets a line for each request; None says nothing.

    Raises OSError where it can't listen.
    """

    #: Hundreds of hosts may ask at the same moment.
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], finder: Any, tls: ssl.SSLContext | None = None, say: Any = None) -> None:
        self.finder, self.say = finder, say
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        if tls:
            # The handshake belongs to the thread of the request: a client that says nothing must not keep others waiting.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go; only what is wrong with this program is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "provisioner-mirror", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def log_message(self, format: str, *args: Any) -> None:
        if say := self.server.say:  # type: ignore[attr-defined]
            say(f"{self.client_address[0]} {format % args}")

    def _answer(self, *, body: bool) -> None:
        found = self.server.finder.find(unquote(urlsplit(self.path).path))  # type: ignore[attr-defined]
        if found is None:
            found = Found(b"not found\n", "text/plain", status=HTTPStatus.NOT_FOUND)
        if isinstance(found.content, bytes):
            self._begin(found.status, found, len(found.content))
            if body:
                self.wfile.write(found.content)
            return
        try:
            file = found.content.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            self._file(file, found, body=body)

    def _file(self, file: BinaryIO, found: Found, *, body: bool) -> None:
        size, changed = (state := Path(file.name).stat()).st_size, email.utils.formatdate(state.st_mtime, usegmt=True)
        headers = {"Last-Modified": changed, "Accept-Ranges": "bytes", **found.headers}
        if self._unchanged(state.st_mtime):
            self._begin(HTTPStatus.NOT_MODIFIED, found, 0, headers)
            return
        first, last = self._range(size, changed)
        if first > last and size:
            self._begin(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, found, 0, {"Content-Range": f"bytes */{size}"})
            return
        part = (first, last) != (0, size - 1)
        if part:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        self._begin(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK, found, last - first + 1, headers)
        if body:
            file.seek(first)
            self._copy(file, last - first + 1)

    def _copy(self, file: BinaryIO, size: int) -> None:
        while size and (block := file.read(min(size, _CHUNK))):
            self.wfile.write(block)
            size -= len(block)
        if size:  # the file became shorter: the client must not wait for the rest
            self.close_connection = True

    def _begin(self, status: HTTPStatus, found: Found, size: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, text in {"Content-Type": found.kind, **found.headers, **(headers or {})}.items():
            self.send_header(name, text)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(size))
        self.end_headers()

    def _unchanged(self, at: float) -> bool:
        try:
            known = email.utils.parsedate_to_datetime(self.headers["If-Modified-Since"]).timestamp()
        except (TypeError, ValueError, KeyError):
            return False
        return int(at) <= known

    def _range(self, size: int, changed: str) -> tuple[int, int]:
        """First and last byte that are asked for; a range of another state of the file, or one that nobody understands, is all of it."""
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        if not asked or asked.groups() == ("", "") or self.headers.get("If-Range", changed) != changed:
            return 0, size - 1
        first, last = asked.groups()
        if not first:
            return max(0, size - int(last)), size - 1
        return int(first), min(int(last), size - 1) if last else size - 1
