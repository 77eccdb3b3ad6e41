"""Registrator: it runs, its Consul answers, and what this host publishes really stands in Consul."""

import time
from calendar import timegm
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import UnhealthyError, amount, answer, tag_of
from provisioner.probe.health.docker_engine import container, engine, environment, image_of
from provisioner.probe.health.systemd import running
from provisioner.probe.health.web import credentials, get

# A container that has just been started is not missing yet.
GRACE_SECONDS = 15
NAMED = 20


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for one Registrator: every container with a published port is a service of the host's Consul agent."""
    running(request["unit"], request.get("steady", 0))
    own = container(request["unit"])
    image = image_of(own)
    version = tag_of(image)
    # Its own start proves nothing: asked with the token that it runs with, Consul says what it says to it.
    environ = Path("/proc/{}/environ".format(own["State"]["Pid"])).read_text()
    token = environ.partition("CONSUL_HTTP_TOKEN=")[2].split("\0")[0]
    if credentials("registrator") and not token:
        raise UnhealthyError("runs without a token", version)
    registered = set(get(request["consul"], "/v1/agent/services", {"X-Consul-Token": token}).json())
    arguments = own.get("Args") or []
    if "-internal" in arguments:
        return answer("ok", "runs", version, image=image, facts={"registered": len(registered)})
    published = engine("/containers/json").json()
    absent = [name for name in missing(published, registered, time.time())
              if wanted(container(name), "-explicit" in arguments)]
    found = {"registered": len(registered), "missing": absent[:NAMED]}
    if absent:
        detail = "Consul lacks {}: {}".format(amount(len(absent), "container"), ", ".join(absent[:NAMED]))
        return answer("degraded", detail, version, image=image, facts=found)
    detail = "{} in Consul".format(amount(len(registered), "service"))
    return answer("ok", detail, version, image=image, facts=found)


def missing(published: "list[dict[str, Any]]", registered: "set[str]", now: float) -> "list[str]":
    """Names of containers with published ports that no service speaks of. Registrator's ids are host:container:port."""
    known = {service.split(":")[1] for service in registered if service.count(":") >= 2}
    names = []
    for row in published:
        name = (row.get("Names") or ["/"])[0].lstrip("/")
        has_port = any(port.get("PublicPort") for port in row.get("Ports") or [])
        if has_port and name not in known and now - float(row.get("Created", 0)) > GRACE_SECONDS:
            names.append(name)
    return sorted(names)


def wanted(found: "dict[str, Any]", explicit: bool) -> bool:
    """Would Registrator register this container at all? SERVICE_IGNORE says no, -explicit wants a SERVICE_NAME."""
    labels = found.get("Config", {}).get("Labels") or {}
    words = dict(environment(found))
    words.update(labels)
    ignored = any(key.startswith("SERVICE_") and key.endswith("IGNORE") and value for key, value in words.items())
    named = any(key.startswith("SERVICE_") and key.endswith("NAME") for key in words)
    return not ignored and (named or not explicit) and not _just_started(found)


def _just_started(found: "dict[str, Any]") -> bool:
    stamp = str(found.get("State", {}).get("StartedAt", ""))[:19]
    try:
        return time.time() - timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%S")) < GRACE_SECONDS
    except ValueError:
        return False
