"""DNS: a name of the cluster is really asked for, where the host's own programs ask."""

import os
import socket
import struct
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import UnhealthyError, answer
from provisioner.probe.health.systemd import running

TIMEOUT = 2.0
PORT = 53
A, TXT, INTERNET, CHAOS = 1, 16, 1, 3
RESOLV_CONF = Path("/etc/resolv.conf")
CODES = {1: "format error", 2: "server failure", 3: "no such name", 5: "refused"}


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for a host's DNS: the name `consul.service.<domain>` resolves, and resolv.conf points at this server."""
    running(request["unit"], request.get("steady", 0))
    server = (str(request["address"]), int(request.get("port", PORT)))
    name = "consul.service.{}".format(request["domain"])
    addresses = lookup(server, name)
    version = _version(server)
    if not addresses:
        raise UnhealthyError(f"{name} at {server[0]} answers without an address", version)
    configured = nameservers(RESOLV_CONF.read_text(encoding="utf-8", errors="replace"))
    found = {"addresses": addresses, "nameservers": configured}
    if not configured or configured[0] != server[0]:
        detail = "answers, but resolv.conf asks {} first".format(configured[0] if configured else "nobody")
        return answer("degraded", detail, version, facts=found)
    return answer("ok", "{} is {}".format(name, ", ".join(addresses)), version, facts=found)


def nameservers(resolv_conf: str) -> "list[str]":
    """The servers that a resolv.conf names, in order."""
    rows = [line.split() for line in resolv_conf.splitlines()]
    return [row[1] for row in rows if len(row) > 1 and row[0] == "nameserver"]


def lookup(server: "tuple[str, int]", name: str) -> "list[str]":
    """The IPv4 addresses of a name. Raises UnhealthyError when the server does not answer or refuses."""
    return [socket.inet_ntoa(data) for data in _ask(server, name, A, INTERNET) if len(data) == 4]


def _version(server: "tuple[str, int]") -> str:
    try:
        said = _ask(server, "version.bind", TXT, CHAOS)
    except UnhealthyError:
        return ""
    return said[0][1:].decode("ascii", "replace").replace("dnsmasq-", "") if said else ""


def _ask(server: "tuple[str, int]", name: str, kind: int, family: int) -> "list[bytes]":
    number = struct.unpack("!H", os.urandom(2))[0]
    question = encode(number, name, kind, family)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(TIMEOUT)
            channel.connect(server)
            channel.send(question)
            return decode(channel.recv(4096), number, kind)
    except OSError as error:
        raise UnhealthyError(f"the DNS server at {server[0]} does not answer for {name}: {error}") from error
    except (IndexError, struct.error) as error:
        raise UnhealthyError(f"the DNS server at {server[0]} answers nonsense for {name}") from error


def encode(number: int, name: str, kind: int, family: int) -> bytes:
    """A question with recursion desired (RFC 1035, 4.1)."""
    labels = b"".join(struct.pack("!B", len(part)) + part.encode("ascii") for part in name.split("."))
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, family)


def decode(message: bytes, number: int, kind: int) -> "list[bytes]":
    """The data of the answers of one kind. Raises UnhealthyError for another's answer and for an error code."""
    given, flags, questions, answers = struct.unpack("!HHHH", message[:8])
    if given != number:
        raise UnhealthyError("the DNS server answers another question")
    if flags & 0x0F:
        raise UnhealthyError("the DNS server says: {}".format(CODES.get(flags & 0x0F, f"error {flags & 0x0F}")))
    at, found = 12, []
    for _ in range(questions):
        at = _after_name(message, at) + 4
    for _ in range(answers):
        at = _after_name(message, at)
        is_kind, _family, _ttl, length = struct.unpack("!HHIH", message[at:at + 10])
        at += 10
        if is_kind == kind:
            found.append(message[at:at + length])
        at += length
    return found


def _after_name(message: bytes, at: int) -> int:
    while message[at] and message[at] < 0xC0:
        at += message[at] + 1
    return at + (2 if message[at] else 1)
