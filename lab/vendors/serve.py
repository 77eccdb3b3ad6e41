#!/usr/bin/env python3
"""Plays the hosts of vendors: one folder for each name, over HTTP and HTTPS, and a proxy that knows these names and no others.

Usage: serve.py HOSTS TLS FAULTS

HOSTS has a folder for each name, with the files at the vendor's paths. TLS has certificate.pem and key.pem. FAULTS is a JSON file that is
read again for each request: a list of {"where": "name/path", "what": ..., "amount": ...}; the first one counts whose `where` fits, which
is a shell pattern.

    what        what a client sees                                    amount
    status      this status, and no file                              404, 500 ...
    slow        the file at so many bytes a second                    bytes
    cut         the whole length announced, and the end after these   bytes
    damaged     one byte in the middle is another
    expired     the file beside it whose name ends in .expired
    loop        sent to the same address, again and again

`where` of what asks the proxy for a connection begins with `proxy/`; only `status` happens there.
"""

from __future__ import annotations

import fnmatch
import http.server
import json
import select
import socket
import ssl
import sys
import threading
import time
import urllib.parse
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

HTTP, HTTPS, PROXY = 80, 443, 3128
#: Docker Hub's registry asks for a token, which it gives to everybody who asks here.
REGISTRY, LOGIN, SERVICE = "registry-1.docker.io", "auth.docker.io", "registry.docker.io"
TOKEN = "everybody"  # noqa: S105 - it opens what is open
CHUNK = 1 << 16
EXPIRED = ".expired"
NAMED_AT_REST = ("manifests", "blobs")


class Site:
    """What is served, and what is to go wrong with it."""

    def __init__(self, hosts: Path, faults: Path) -> None:
        self._hosts, self._faults = hosts.resolve(), faults

    def knows(self, name: str) -> bool:
        """Is there a host of this name?"""
        return bool(name) and "/" not in name and (self._hosts / name).is_dir() and name not in (".", "..")

    def file(self, name: str, path: str) -> Path | None:
        """The file at a path of a host, or None."""
        found = (self._hosts / name / path.lstrip("/")).resolve()
        return found if found.is_file() and found.is_relative_to(self._hosts / name) else None

    def fault(self, where: str) -> dict[str, Any]:
        """What is to go wrong there; nothing as a rule."""
        try:
            listed = json.loads(self._faults.read_text())
        except FileNotFoundError:
            return {}
        return next((each for each in listed if fnmatch.fnmatchcase(where, each["where"])), {})


class Server(http.server.ThreadingHTTPServer):
    """Every host of a lab may ask for several files at the same moment."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, address: tuple[str, int], site: Site, secured: ssl.SSLContext | None = None, behind: int = 0) -> None:
        """With `secured` it speaks TLS; `behind` is the port to which the proxy connects whoever wants TLS."""
        super().__init__(address, Handler)
        self.site, self.behind, self.scheme = site, behind, "https" if secured else "http"
        if secured:
            # The handshake belongs to the thread of the request: a client that says nothing must not keep others waiting.
            self.socket = secured.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that went away, or that don't trust us."""
        print(f"{client_address[0]} {sys.exc_info()[1]!r}", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """Read-only files; connections stay open, as apt likes it."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "vendors"

    def do_GET(self) -> None:
        """A file, as far as no fault is in the way."""
        self._serve(body=True)

    def do_HEAD(self) -> None:
        """The same without the file."""
        self._serve(body=False)

    def do_CONNECT(self) -> None:
        """The proxy's part: to a host that is known, and to nobody else."""
        name, _, port = self.path.rpartition(":")
        fault = self.server.site.fault(f"proxy/{name}")
        self.close_connection = True
        if fault.get("what") == "status":
            self._say(int(fault["amount"]))
        elif not (self.server.behind and self.server.site.knows(name) and port == str(HTTPS)):
            self._say(HTTPStatus.FORBIDDEN)
        else:
            self.send_response(HTTPStatus.OK)
            self.end_headers()
            with socket.create_connection(("127.0.0.1", self.server.behind)) as other:
                relay(self.connection, other)

    def _serve(self, *, body: bool) -> None:
        asked = urllib.parse.urlsplit(self.path)
        name = (asked.hostname or self.headers.get("Host", "").partition(":")[0]).lower()
        path = urllib.parse.unquote(asked.path)
        site = self.server.site
        if not site.knows(name):
            return self._say(HTTPStatus.MISDIRECTED_REQUEST)
        fault = site.fault(f"{name}{path}")
        what = fault.get("what", "")
        if what == "status":
            return self._say(int(fault["amount"]))
        if what == "loop":
            return self._say(HTTPStatus.FOUND, {"Location": f"{self.server.scheme}://{self.headers.get('Host', name)}{asked.path}"})
        if name == LOGIN and path == "/token":
            return self._text(json.dumps({"token": TOKEN, "access_token": TOKEN, "expires_in": 300}))
        if name == REGISTRY and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._say(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": challenge(path)})
        if name == REGISTRY and path == "/v2/":
            return self._text("{}")
        found = site.file(name, path + EXPIRED) if what == "expired" else None
        found = found or site.file(name, path)
        if found is None:
            return self._say(HTTPStatus.NOT_FOUND)
        return self._file(found, registry_headers(name, path, found), fault if body else None)

    def _file(self, path: Path, headers: dict[str, str], fault: dict[str, Any] | None) -> None:
        size, begin = path.stat().st_size, 0
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and asked.endswith("-") and asked[6:-1].isdigit():
            begin = int(asked[6:-1])
            if begin >= size:
                return self._say(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked and begin else HTTPStatus.OK)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        for key, value in {"Content-Length": str(size - begin), "Accept-Ranges": "bytes",
                           "Last-Modified": self.date_time_string(int(path.stat().st_mtime)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if fault is not None:
            with path.open("rb") as file:
                file.seek(begin)
                self._send(file, size, fault)
        return None

    def _send(self, file: BinaryIO, size: int, fault: dict[str, Any]) -> None:
        what, amount = fault.get("what", ""), int(fault.get("amount", 0))
        chunk = max(1, min(CHUNK, amount // 10)) if what == "slow" else CHUNK
        end = min(size, file.tell() + amount) if what == "cut" else size
        while (at := file.tell()) < end:
            data = bytearray(file.read(min(chunk, end - at)))
            if what == "damaged" and at <= size // 2 < at + len(data):
                data[size // 2 - at] ^= 0xFF
            self.wfile.write(data)
            if what == "slow":
                time.sleep(len(data) / amount)
        self.close_connection = self.close_connection or end < size

    def _text(self, text: str) -> None:
        data = text.encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _say(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Who asked for what, for those who wonder what a host did."""
        print(self.address_string(), self.command, self.headers.get("Host", ""), self.path, int(code), flush=True)


def challenge(path: str) -> str:
    """Where Docker Hub sends whoever comes without a token."""
    parts = path.split("/")
    kept = next((at for at, part in enumerate(parts) if part in NAMED_AT_REST), 0)
    scope = f',scope="repository:{"/".join(parts[2:kept])}:pull"' if kept else ""
    return f'Bearer realm="https://{LOGIN}/token",service="{SERVICE}"{scope}'


def registry_headers(name: str, path: str, found: Path) -> dict[str, str]:
    """What a registry says of a manifest beside its bytes; the folder has each by its digest, and tags are links to that."""
    if name != REGISTRY or "/manifests/" not in path:
        return {"Content-Type": "application/octet-stream"}
    return {"Content-Type": str(json.loads(found.read_bytes())["mediaType"]), "Docker-Content-Digest": found.name}


def relay(one: socket.socket, other: socket.socket) -> None:
    """Passes bytes on, both ways, until one side ends."""
    across = {one: other, other: one}
    while True:
        for ready in select.select([*across], [], [])[0]:
            data = ready.recv(CHUNK)
            if not data:
                return
            across[ready].sendall(data)


def context_of(folder: Path) -> ssl.SSLContext:
    """The certificate that stands for all names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


def servers(site: Site, tls: Path, address: str, ports: tuple[int, int, int]) -> list[Server]:
    """The three, listening: HTTP, HTTPS, proxy."""
    plain = Server((address, ports[0]), site)
    secured = Server((address, ports[1]), site, context_of(tls))
    return [plain, secured, Server((address, ports[2]), site, behind=secured.server_address[1])]


def main() -> int:
    """Serves until it is killed."""
    hosts, tls, faults = map(Path, sys.argv[1:])
    found = servers(Site(hosts, faults), tls, "", (HTTP, HTTPS, PROXY))
    for server in found[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(" ".join(sorted(path.name for path in hosts.iterdir())), flush=True)
    found[0].serve_forever()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
