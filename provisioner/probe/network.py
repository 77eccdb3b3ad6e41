"""Addresses, the default route and listening sockets, read from /proc without any program."""

import os
import re
import socket
import struct
from pathlib import Path
from typing import Any

from .files import read

#: Documentation address (RFC 5737): connecting a UDP socket sends nothing but makes the kernel choose a source address.
ELSEWHERE = ("192.0.2.1", 9)
#: /proc/net state numbers: a listening TCP socket, a UDP socket without a peer.
WAITING = {"tcp": "0A", "udp": "07"}
UNIT = re.compile(r"([^/]+\.service)(?:/|$)")
CONTAINER = re.compile(r"([0-9a-f]{64})(?:\.scope)?$")
DOCKER_CONTAINERS = "/var/lib/docker/containers"


def addresses() -> "list[str]":
    """The host's own addresses without loopback and link-local ones, IPv4 first."""
    v4 = local_v4(read("/proc/net/fib_trie"))
    v6 = [socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0]))
          for line in read("/proc/net/if_inet6").splitlines()]
    return v4 + sorted(a for a in v6 if a != "::1" and not a.startswith("fe80:"))


def local_v4(trie: str) -> "list[str]":
    """The addresses that the routing trie marks `/32 host LOCAL`."""
    found, last = set(), ""
    for line in trie.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in ("|--", "+--"):
            last = words[1].split("/")[0]
        elif words[:3] == ["/32", "host", "LOCAL"] and not last.startswith("127."):
            found.add(last)
    return sorted(found, key=lambda address: [int(part) for part in address.split(".")])


def default_route() -> "dict[str, str]":
    """Interface, gateway and own address of the default route; empty when there is none."""
    routes = [line.split() for line in read("/proc/net/route").splitlines()[1:]]
    defaults = sorted((int(r[6]), r[0], r[2]) for r in routes if r[1] == "00000000" and r[7] == "00000000")
    if not defaults:
        return {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(ELSEWHERE)
        address = probe.getsockname()[0]
    return {"interface": defaults[0][1], "gateway": address_of(defaults[0][2]), "address": address}


def listeners(asked: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
    """Who listens on the asked ports (`port`, `protocol`): one entry per socket with address and owner.

    A socket of the kernel itself, such as that of a VXLAN link, has no process: its `pid` is 0.
    """
    wanted = {(item["protocol"], item["port"]) for item in asked}
    found = [s for protocol in ("tcp", "udp") for s in sockets(protocol) if (protocol, s["port"]) in wanted]
    holders = owners({str(s["inode"]) for s in found}) if found else {}
    for entry in found:
        entry.update(_owner(holders.get(entry.pop("inode"), 0)))
    return found


def sockets(protocol: str) -> "list[dict[str, Any]]":
    """Waiting sockets of a protocol, IPv4 and IPv6."""
    tables = read("/proc/net/" + protocol).splitlines()[1:] + read("/proc/net/" + protocol + "6").splitlines()[1:]
    found = []
    for words in (line.split() for line in tables):
        if words[3] == WAITING[protocol]:
            address, port = words[1].split(":")
            found.append({"protocol": protocol, "address": address_of(address), "port": int(port, 16), "inode": words[9]})
    return found


def address_of(text: str) -> str:
    """An address of /proc/net: 32-bit words in the byte order of the machine."""
    raw = b"".join(struct.pack("=I", int(text[i:i + 8], 16)) for i in range(0, len(text), 8))
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw)
    if raw.startswith(b"\0" * 10 + b"\xff\xff"):
        return socket.inet_ntop(socket.AF_INET, raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def owners(inodes: "set[str]") -> "dict[str, int]":
    """The process that holds each socket inode."""
    found = {}
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for descriptor in (process / "fd").iterdir():
                target = os.readlink(str(descriptor))  # noqa: PTH115 - Path.readlink is newer than Python 3.6
                if target in wanted:
                    found[wanted[target]] = int(process.name)
        except OSError:
            continue  # the process ended meanwhile
    return found


def _owner(pid: int) -> "dict[str, Any]":
    cgroups = read(f"/proc/{pid}/cgroup").splitlines() if pid else []
    return {"pid": pid, "command": read(f"/proc/{pid}/comm").strip() if pid else "", **belongs(cgroups)}


def belongs(cgroups: "list[str]") -> "dict[str, str]":
    """The systemd unit, or the name of the Docker container, that the lines of /proc/PID/cgroup put a process in.

    Only systemd's own hierarchy counts: the others may show the container that this host itself runs in.
    """
    for line in cgroups:
        number, kind, path = line.split(":", 2)
        if number != "0" and kind != "name=systemd":
            continue
        container, units = CONTAINER.search(path), UNIT.findall(path)
        if container:
            return {"unit": "", "container": _container_name(container.group(1))}
        if units:
            return {"unit": units[-1], "container": ""}
    return {"unit": "", "container": ""}


def _container_name(identity: str) -> str:
    name = re.search(r'"Name":"/([^"]+)"', read(f"{DOCKER_CONTAINERS}/{identity}/config.v2.json"))
    return name.group(1) if name else identity[:12]
