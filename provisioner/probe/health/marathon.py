"""Marathon: it answers, knows a leader, and passes questions on to it."""

from typing import Any

from .answer import UnhealthyError, answer
from .systemd import running
from .web import get


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one Marathon. A follower that can not reach its leader answers 5xx, which is "down"."""
    running(request["unit"], request.get("steady", 0))
    server = "{}:{}".format(request["address"], request["port"])
    ping = get(server, "/ping")
    if ping.status != 200:
        raise UnhealthyError(f"{ping.where} answers {ping.status} {ping.text}")
    reply = get(server, "/v2/info")
    info = reply.json()
    # Old releases pass this question on as well: then "elected" is the leader's and not this process's.
    return judge(info, "x-marathon-via" in reply.headers, _leader(server))


def _leader(server: str) -> str:
    reply = get(server, "/v2/leader")
    # 404 is Marathon's word for "there is no leader".
    return "" if reply.status == 404 else str(reply.json().get("leader") or "")


def judge(info: "dict[str, Any]", passed_on: bool, leader: str) -> "dict[str, Any]":
    """Turn what Marathon says of itself into an answer."""
    version = str(info.get("version", ""))
    framework = info.get("frameworkId") or ""
    leading = bool(info.get("elected")) and not passed_on
    found = {"leader": leader, "framework_id": framework}
    if not leader:
        return answer("down", "knows no leading Marathon", version, facts=found)
    if leading and not framework:
        return answer("down", "leads, but is not registered with Mesos", version, True, facts=found)
    return answer("ok", "leads" if leading else f"follows {leader}", version, leading, facts=found)
