"""Chronos: it answers and knows a leader. It has no question for its version: the tag of its image says it."""

import socket
from typing import Any

from .answer import UnhealthyError, answer, tag_of
from .docker_engine import container, image_of
from .systemd import running
from .web import get

# 3.x, then 2.x.
LEADER_PATHS = ("/v1/scheduler/leader", "/scheduler/leader")


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one Chronos. A follower passes the question for the leader on to it: the answer proves both."""
    running(request["unit"], request.get("steady", 0))
    image = image_of(container("chronos"))
    version = tag_of(image)
    server = "{}:{}".format(request["address"], request["port"])
    try:
        ping = get(server, "/ping")
        if ping.status != 200:
            raise UnhealthyError(f"{ping.where} answers {ping.status} {ping.text}")
        leader = _leader(server)
    except UnhealthyError as error:
        raise UnhealthyError(str(error), version) from error
    if not leader:
        return answer("down", "knows no leading Chronos", version, image=image)
    leading = is_here(leader, request)
    detail = "leads" if leading else f"follows {leader}"
    return answer("ok", detail, version, leading, image, {"leader": leader})


def is_here(leader: str, request: "dict[str, Any]") -> bool:
    """Does `host:port` mean the Chronos of this host? Its host is the name that Chronos was told to advertise."""
    host, _, port = leader.rpartition(":")
    if port != str(request["port"]):
        return False
    if host in (request["address"], request.get("hostname"), socket.gethostname()):
        return True
    try:
        return str(request["address"]) in {row[4][0] for row in socket.getaddrinfo(host, int(port))}
    except OSError:
        return False


def _leader(server: str) -> str:
    for path in LEADER_PATHS:
        reply = get(server, path)
        if reply.status != 404:
            return str(reply.json().get("leader") or "")
    raise UnhealthyError(f"{server} has no scheduler API")
