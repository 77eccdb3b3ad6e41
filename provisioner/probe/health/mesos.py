"""Asking Mesos, also where its HTTP API wants a password: the probe runs as root and finds one on the host."""

import base64
import json
import queue
import threading
from pathlib import Path
from typing import Any

from .answer import UnhealthyError, number
from .web import Reply, get, post

CREDENTIALS = ("/etc/mesos/credentials.json", "/etc/mesos/credential.json")


def operator(server: str, call: str) -> Reply:
    """POST one operator call to exactly this server. The leader alone answers 200; other masters redirect (307)."""
    reply = post(server, "/api/v1", {"type": call})
    return reply if reply.status != 401 else post(server, "/api/v1", {"type": call}, headers=_password())


def ask_leader(masters: "list[str]", call: str) -> "tuple[str, Any]":
    """The leading master (`host:port`) and its answer. All are asked at once: a dead one must not cost its time-out."""
    replies: queue.Queue[tuple[str, Any]] = queue.Queue()

    def one(server: str) -> None:
        try:
            reply = operator(server, call)
            replies.put((server, reply if reply.status != 200 else {"leads": reply.json()}))
        except Exception as error:
            replies.put((server, error))

    for server in masters:
        threading.Thread(target=one, args=(server,), daemon=True).start()
    why = []
    for _ in masters:
        server, said = replies.get()
        if isinstance(said, dict):
            return server, said["leads"]
        if isinstance(said, Exception):
            why.append(str(said))
        elif said.status != 307:
            why.append(f"{said.where} answers {said.status} {said.text}")
    raise UnhealthyError("no Mesos master leads: {}".format("; ".join(why) or "each one names another"))


def read(server: str, path: str) -> Any:
    """GET one endpoint that every process answers about itself, as data."""
    reply = get(server, path)
    # Before its routes are installed a Mesos process answers 404 for everything but its version.
    if reply.status == 404:
        raise UnhealthyError(f"{reply.where} answers 404: Mesos is still starting")
    return (reply if reply.status != 401 else get(server, path, headers=_password())).json()


def version(server: str) -> str:
    """What the program itself says its version is."""
    return str(read(server, "/version").get("version", ""))


def agents(listing: "dict[str, Any]") -> "list[dict[str, Any]]":
    """The agents of a GET_AGENTS answer, one flat row each."""
    rows = []
    for agent in listing.get("get_agents", {}).get("agents", []):
        info = agent.get("agent_info", {})
        rows.append({
            "id": info.get("id", {}).get("value", ""),
            "hostname": info.get("hostname", ""),
            "pid": agent.get("pid", ""),
            "active": bool(agent.get("active")),
            "deactivated": bool(agent.get("deactivated")),
            "drain": agent.get("drain_info", {}).get("state", ""),
        })
    return rows


def frameworks(listing: "dict[str, Any]") -> "list[dict[str, Any]]":
    """The frameworks of a GET_FRAMEWORKS answer, one flat row each, also those that were `removed` (torn down, or away for too long).

    `since` is when the master took it in last, in seconds since the epoch by the master's clock; 0 when it does not say.
    """
    found = listing.get("get_frameworks", {})
    rows = []
    for kind in ("frameworks", "completed_frameworks"):
        for framework in found.get(kind, []):
            info = framework.get("framework_info", {})
            times = [framework.get(name, {}).get("nanoseconds", 0) for name in ("registered_time", "reregistered_time")]
            rows.append({
                "id": info.get("id", {}).get("value", ""),
                "name": info.get("name", ""),
                "hostname": info.get("hostname", ""),
                "active": bool(framework.get("active")),
                "connected": bool(framework.get("connected")),
                "removed": kind == "completed_frameworks",
                "since": max(number(time, 0) for time in times) / 1e9,
            })
    return rows


def _password() -> "dict[str, str]":
    for path in CREDENTIALS:
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        first = (content.get("credentials") or [{}])[0] if "credentials" in content else content
        if first.get("principal"):
            pair = "{}:{}".format(first["principal"], first.get("secret", ""))
            return {"Authorization": "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")}
    return {}
