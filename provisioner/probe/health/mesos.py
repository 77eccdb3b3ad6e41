"""Asking Mesos, also where its HTTP API wants a password: the probe runs as root and finds one on the host."""

import base64
import json
from pathlib import Path
from typing import Any

from .answer import UnhealthyError
from .web import Reply, get, post

CREDENTIALS = ("/etc/mesos/credentials.json", "/etc/mesos/credential.json")


def operator(server: str, call: str) -> Reply:
    """POST one operator call to exactly this server. The leader alone answers 200; other masters redirect (307)."""
    reply = post(server, "/api/v1", {"type": call})
    return reply if reply.status != 401 else post(server, "/api/v1", {"type": call}, headers=_password())


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
