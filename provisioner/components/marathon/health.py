"""Marathon: it answers and knows a leader; the one that leads is registered with Mesos.

A follower passes every request on to the leader, so what it hands back is the leader's: the follower itself is well when it does so.
"""

from typing import Any

from provisioner.probe.health import framework
from provisioner.probe.health.answer import answer
from provisioner.probe.health.cause import with_cause
from provisioner.probe.health.web import Reply, credentials, get

#: In the answers that a follower passes on.
VIA = "x-marathon-via"
#: Marathon's word for an election that is not over.
NO_LEADER = "current leader"


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one Marathon."""
    return with_cause(request, _answers)


def _answers(request: "dict[str, Any]") -> "dict[str, Any]":
    server = "{}:{}".format(request["address"], request["port"])
    reply = get(server, "/v2/info", credentials("marathon"))
    if of_a_leader_that_is_ill(reply):
        return answer("degraded", f"follows a leader that does not answer: {reply.status} {reply.text}", facts={"itself": "ok"})
    info = reply.json()
    # Old releases answer this question themselves: then "elected" is the leader's only where it was passed on.
    leading = bool(info.get("elected")) and VIA not in reply.headers
    leader, version = _leader(server), str(info.get("version", ""))
    found = {"leader": leader, "framework_id": str(info.get("frameworkId") or "")}
    if not leader:
        return answer("down", "knows no leading Marathon", version, facts=found)
    if leading:
        return framework.leads(request, version, found)
    return answer("ok", f"follows {leader}", version, facts=found)


def of_a_leader_that_is_ill(reply: Reply) -> bool:
    """Is this a follower's word that its leader does not answer, or answers with an error?"""
    if reply.status < 500:
        return False
    said = reply.body.decode("utf-8", "replace")
    return VIA in reply.headers or ("leader" in said and NO_LEADER not in said)


def _leader(server: str) -> str:
    reply = get(server, "/v2/leader", credentials("marathon"))
    # 404 is Marathon's word for "there is no leader".
    return "" if reply.status == 404 else str(reply.json().get("leader") or "")
