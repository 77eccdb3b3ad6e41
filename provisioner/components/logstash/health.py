"""Log shipping: the collector's pipeline runs, and every host's forwarder is up and reaches its collector."""

import re
from typing import Any

from provisioner.probe.files import read
from provisioner.probe.health.answer import UnhealthyError, amount, answer, number
from provisioner.probe.health.systemd import running
from provisioner.probe.health.web import get, reachable

#: What rsyslog is told: while a cluster is closed or opened that is not yet what the inventory asks for.
TOLD = "/etc/rsyslog.d/10-provisioner-logstash.conf"


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
    target, peer = told(read(TOLD)) or (request["target"], request["peer"])
    refused = reachable(target, peer)
    if refused:
        state = "down" if request["server"] else "degraded"
        detail = f"the collector {target} does not answer: {refused}"
        return answer(state, detail, version, facts=found)
    if request["server"]:
        detail = "collects, {} in, {} out".format(amount(number(found["in"], 0), "event"), found["out"])
        return answer("ok", detail, version, facts=found)
    return answer("ok", f"forwards to {target}", version, facts=found)


def told(settings: str) -> "tuple[str, str] | None":
    """Collector and name of its certificate ('' in clear) by the forwarder's settings; None where they name none."""
    target = re.search(r'target="([^"]+)" port="(\d+)"', settings)
    peer = re.search(r'PermittedPeers="([^"]+)"', settings)
    return ("{}:{}".format(*target.groups()), peer.group(1) if peer else "") if target else None


def pipelines(statistics: "dict[str, Any]", version: str) -> "dict[str, Any]":
    """Events in and out. Raises UnhealthyError when no pipeline runs: a broken configuration does not stop Logstash."""
    rows = statistics.get("pipelines") or {}
    events = [row.get("events") or {} for row in rows.values() if row]
    if not any(events):
        raise UnhealthyError("Logstash runs no pipeline: its configuration was refused", version)
    return {"in": sum(number(e.get("in"), 0) for e in events), "out": sum(number(e.get("out"), 0) for e in events)}
