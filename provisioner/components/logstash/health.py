"""Log shipping: the collector's pipeline runs, and every host's forwarder is up and reaches its collector."""

from typing import Any

from provisioner.probe.health.answer import UnhealthyError, amount, answer, number
from provisioner.probe.health.systemd import running
from provisioner.probe.health.web import get, reachable


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one host; a collector is also a forwarder. A forwarder that reaches nobody is degraded: it waits."""
    steady = request.get("steady", 0)
    version = ""
    found: dict[str, Any] = {}
    if request["server"]:
        running(request["unit"], steady)
        own = get(request["api"], "/").json()
        version = str(own.get("version", ""))
        found = pipelines(get(request["api"], "/_node/stats/pipelines").json(), version)
        if own.get("status", "green") == "red":
            return answer("down", "Logstash says of itself that it is red", version, facts=found)
    running(request["forwarder"], steady)
    refused = reachable(request["target"], request["peer"])
    if refused:
        state = "down" if request["server"] else "degraded"
        detail = "the collector {} does not answer: {}".format(request["target"], refused)
        return answer(state, detail, version, facts=found)
    if request["server"]:
        detail = "collects, {} in, {} out".format(amount(number(found["in"], 0), "event"), found["out"])
        return answer("ok", detail, version, facts=found)
    return answer("ok", "forwards to {}".format(request["target"]), version, facts=found)


def pipelines(statistics: "dict[str, Any]", version: str) -> "dict[str, Any]":
    """Events in and out. Raises UnhealthyError when no pipeline runs: a broken configuration does not stop Logstash."""
    rows = statistics.get("pipelines") or {}
    events = [row.get("events") or {} for row in rows.values() if row]
    if not any(events):
        raise UnhealthyError("Logstash runs no pipeline: its configuration was refused", version)
    return {"in": sum(number(e.get("in"), 0) for e in events), "out": sum(number(e.get("out"), 0) for e in events)}
