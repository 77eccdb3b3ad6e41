"""Chronos: it answers and knows a leader; the one that leads is registered with Mesos.

A follower passes every request on to the leader. It has no question for its version: the tag of its image says it.
"""

from typing import Any

from provisioner.probe.health import framework
from provisioner.probe.health.answer import UnhealthyError, answer, tag_of
from provisioner.probe.health.cause import with_cause
from provisioner.probe.health.docker_engine import container, image_of
from provisioner.probe.health.web import credentials, get

# 3.x, then 2.x.
LEADER_PATHS = ("/v1/scheduler/leader", "/scheduler/leader")
#: Of a follower that got no answer from the leader.
NOT_PASSED_ON = "proxying request to leader"


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one Chronos."""
    return with_cause(request, _answers)


def _answers(request: "dict[str, Any]") -> "dict[str, Any]":
    image = image_of(container("chronos"))
    version = tag_of(image)
    server = "{}:{}".format(request["address"], request["port"])
    try:
        leader = _leader(server)
    except UnhealthyError as error:
        if NOT_PASSED_ON in str(error):
            return answer("degraded", f"follows a leader that does not answer: {error}", version, image=image, facts={"itself": "ok"})
        raise UnhealthyError(str(error), version) from error
    if not leader:
        return answer("down", "knows no leading Chronos", version, image=image)
    host, _, port = leader.rpartition(":")
    if port == str(request["port"]) and framework.is_here(host, request):
        return framework.leads(request, version, {"leader": leader}, image)
    return answer("ok", f"follows {leader}", version, image=image, facts={"leader": leader})


def _leader(server: str) -> str:
    for path in LEADER_PATHS:
        reply = get(server, path, credentials("chronos"))
        if NOT_PASSED_ON in reply.body.decode("utf-8", "replace"):
            raise UnhealthyError(f"{reply.where} answers {reply.status}: error {NOT_PASSED_ON}")
        if reply.status != 404:
            return str(reply.json().get("leader") or "")
    raise UnhealthyError(f"{server} has no scheduler API")
