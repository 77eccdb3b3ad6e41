#!/usr/bin/env python3
"""The site mirror of a lab: files over HTTP, the image registry, and a name server that knows the lab's hosts and nobody else.

`provisioner/mirror/http_files.py` lies beside it in the container.

Usage: serve.py WEB_ROOT HOSTS_FILE
"""

from __future__ import annotations

import socketserver
import struct
import subprocess
import sys
import threading
from pathlib import Path

from provisioner.mirror.http_files import Files, Server

_REGISTRY = [str(Path(__file__).with_name("docker-registry")), "serve", str(Path(__file__).with_name("registry.yml"))]
_HEADER = struct.Struct(">HHHHHH")
_ADDRESS, _INTERNET, _NO_SUCH_NAME = 1, 1, 3


def answer(query: bytes, hosts: dict[str, bytes]) -> bytes:
    """The reply to one DNS question: a lab host's address, nothing for its other records, "no such name" for everybody else."""
    identity, flags = struct.unpack_from(">HH", query)
    labels, at = [], _HEADER.size
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace").lower())
        at += 1 + query[at]
    question = query[_HEADER.size : at + 5]
    kind, family = struct.unpack_from(">HH", query, at + 1)
    address = hosts.get(".".join(labels))
    reply = 0x8400 | flags & 0x0100 | 0x0080 | (_NO_SUCH_NAME if address is None else 0)
    if address is None or (kind, family) != (_ADDRESS, _INTERNET):
        return _HEADER.pack(identity, reply, 1, 0, 0, 0) + question
    record = struct.pack(">HHHIH", 0xC00C, _ADDRESS, _INTERNET, 60, 4) + address
    return _HEADER.pack(identity, reply, 1, 1, 0, 0) + question + record


class Names(socketserver.BaseRequestHandler):
    """One datagram, one answer. The hosts file is read again each time: hosts join a running lab."""

    hosts_file = Path()

    def handle(self) -> None:
        """Answers, or stays silent when the datagram is no question."""
        data, connection = self.request
        pairs = [line.split() for line in self.hosts_file.read_text().splitlines()]
        hosts = {name: bytes(map(int, address.split("."))) for address, name in pairs}
        try:
            reply = answer(data, hosts)
        except (IndexError, struct.error):
            return
        connection.sendto(reply, self.client_address)


def main() -> int:
    """Serves until the registry ends."""
    web_root, hosts_file = sys.argv[1:]
    Names.hosts_file = Path(hosts_file)
    files = Server(("", 80), Files(Path(web_root)))
    names = socketserver.ThreadingUDPServer(("", 53), Names)
    for server in (files, names):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return subprocess.run(_REGISTRY, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
