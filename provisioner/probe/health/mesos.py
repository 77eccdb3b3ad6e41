"""Asking Mesos, with the host's credentials for it: what wants none ignores them."""

import queue
import threading
from typing import Any

from .answer import UnhealthyError, number
from .web import Reply, credentials, get, post


def operator(server: str, call: str) -> Reply:
    """POST one operator call to exactly this server. The leader alone answers 200; other masters redirect (307)."""
    return post(server, "/api/v1", {"type": call}, headers=credentials("mesos"))


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
    reply = get(server, path, headers=credentials("mesos"))
    # Before its routes are installed a Mesos process answers 404 for everything but its version.
    if reply.status == 404:
        raise UnhealthyError(f"{reply.where} answers 404: Mesos is still starting")
    return reply.json()


def version(server: str) -> str:
    """What the program itself says its version is."""
    return str(read(server, "/version").get("version", ""))


def agents(listing: "dict[str, Any]") -> "list[dict[str, Any]]":
    """The agents of a GET_AGENTS answer, one flat row each."""
    listed = listing.get("get_agents", {}).get("agents", [])
    return [row({**agent, **agent.get("agent_info", {})}) for agent in listed]


def row(agent: "dict[str, Any]") -> "dict[str, Any]":
    """What is of interest of an agent as `/slaves` lists it."""
    own = agent.get("id", "")
    return {
        "id": own.get("value", "") if isinstance(own, dict) else own,
        "hostname": agent.get("hostname", ""),
        "pid": agent.get("pid", ""),
        "active": bool(agent.get("active")),
        "deactivated": bool(agent.get("deactivated")),
        "drain": agent.get("drain_info", {}).get("state", ""),
    }


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
