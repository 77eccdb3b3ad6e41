"""App definitions: what is accepted, what is refused with 422, and how older spellings are brought into one shape."""

from __future__ import annotations

import re
from typing import Any

App = dict[str, Any]

_SEGMENT = re.compile(r"(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])(?:\.(?:[a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9]))*$")
_OPERATORS = {"UNIQUE": 2, "CLUSTER": 3, "LIKE": 3, "UNLIKE": 3, "IS": 3, "GROUP_BY": 2, "MAX_PER": 3}
_PROTOCOLS = ("HTTP", "HTTPS", "TCP", "MESOS_HTTP", "MESOS_HTTPS", "MESOS_TCP")
_NUMBERS = ("cpus", "mem", "disk", "instances", "backoffSeconds", "backoffFactor", "maxLaunchDelaySeconds")
#: Defaults of the real program for a new app.
DEFAULTS: App = {
    "cmd": None, "args": [], "env": {}, "labels": {}, "constraints": [], "healthChecks": [], "fetch": [], "user": None,
    "cpus": 1.0, "mem": 128.0, "disk": 0.0, "gpus": 0, "instances": 1, "executor": "", "role": "*",
    "requirePorts": False, "backoffSeconds": 1, "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300,
    "taskKillGracePeriodSeconds": 3, "killSelection": "YOUNGEST_FIRST",
    "upgradeStrategy": {"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0},
    "unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}, "networks": [], "portDefinitions": [],
    "container": None, "dependencies": [],
}
_HEALTH_DEFAULTS = {
    "protocol": "HTTP", "path": "/", "gracePeriodSeconds": 300, "intervalSeconds": 60, "timeoutSeconds": 20,
    "maxConsecutiveFailures": 3, "delaySeconds": 15, "ignoreHttp1xx": False, "ipProtocol": "IPv4",
}


class InvalidAppError(Exception):
    """An app that the API refuses with 422; `details` has the real program's shape."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("Object is not valid")
        self.details = [{"path": path, "errors": [text]} for path, text in problems.items()]


def canonical(app_id: str) -> str:
    """The absolute form of an app's path."""
    return "/" + app_id.strip("/")


def normalize(document: Any, previous: App | None = None) -> App:
    """A complete app from a document; with `previous` the document only has to hold what changes.

    Raises InvalidAppError.
    """
    if not isinstance(document, dict):
        raise InvalidAppError({"/": "must be an object"})
    given = {k: v for k, v in _modern(document).items() if k in DEFAULTS and v is not None}
    base = {**DEFAULTS, **(previous or {"id": ""})}
    app = {**base, **given, "id": canonical(str(document.get("id") or base["id"]))}
    app["healthChecks"] = [{**_HEALTH_DEFAULTS, **check} for check in app["healthChecks"]]
    app["upgradeStrategy"] = {**DEFAULTS["upgradeStrategy"], **app["upgradeStrategy"]}
    if not app["networks"]:
        app["networks"] = [{"mode": "host"}]
    if mode(app) == "host" and "portDefinitions" not in document and "ports" not in document and previous is None:
        app["portDefinitions"] = [{"port": 0, "protocol": "tcp"}]
    problems = _problems(app)
    if problems:
        raise InvalidAppError(problems)
    return app


def mode(app: App) -> str:
    """`host`, `container/bridge` or `container`."""
    return str(app["networks"][0].get("mode", "container"))


def mappings(app: App) -> list[dict[str, Any]]:
    """The port mappings of a containerised network, complete; empty on the host's network."""
    if mode(app) == "host" or not app["container"]:
        return []
    plain = {"containerPort": 0, "hostPort": 0, "protocol": "tcp", "servicePort": 0, "name": None, "labels": {}}
    if mode(app) != "container/bridge":
        plain["hostPort"] = None
    return [{**plain, **mapping} for mapping in app["container"].get("portMappings") or []]


def requested_ports(app: App) -> list[int]:
    """The host ports an instance needs, in order; 0 is any port of the offer."""
    if mode(app) == "host":
        fixed = bool(app["requirePorts"])
        return [int(d.get("port", 0)) if fixed else 0 for d in app["portDefinitions"]]
    return [int(m["hostPort"]) for m in mappings(app) if m["hostPort"] is not None]


def _modern(document: App) -> App:
    """Spellings from before 1.5 (docker.network, docker.portMappings, ports) as the current ones."""
    app = dict(document)
    if app.get("container"):
        container = app["container"] = dict(app["container"])
        docker = container["docker"] = dict(container.get("docker") or {})
        container.setdefault("type", "DOCKER" if docker else "MESOS")
        network = docker.pop("network", None)
        if "portMappings" in docker:
            container.setdefault("portMappings", docker.pop("portMappings"))
        if network and not app.get("networks"):
            app["networks"] = [{"mode": {"BRIDGE": "container/bridge", "HOST": "host"}.get(network, "container")}]
    if app.get("ports") is not None and "portDefinitions" not in app:
        app["portDefinitions"] = [{"port": int(p), "protocol": "tcp"} for p in app["ports"]]
    return app


def _problems(app: App) -> dict[str, str]:
    found: dict[str, str] = {}
    segments = app["id"].strip("/").split("/")
    if not all(_SEGMENT.match(s) for s in segments):
        found["/id"] = f"must fully match regular expression '{_SEGMENT.pattern}'"
    for name in _NUMBERS:
        if isinstance(app[name], bool) or not isinstance(app[name], int | float):
            found[f"/{name}"] = "error.expected.jsnumber"
        elif app[name] < 0:
            found[f"/{name}"] = f"got {app[name]}, expected 0 or more"
    container = app["container"] or {}
    if not app["cmd"] and not app["args"] and not container.get("docker", {}).get("image"):
        found["/"] = "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."
    if app["cmd"] and app["args"]:
        found["/cmd"] = "AppDefinition must not contain both 'cmd' and 'args'"
    if container.get("type") == "DOCKER" and not container.get("docker", {}).get("image"):
        found["/container/docker/image"] = "is undefined"
    return {**found, **_constraint_problems(app), **_health_problems(app)}


def _constraint_problems(app: App) -> dict[str, str]:
    found = {}
    for number, constraint in enumerate(app["constraints"]):
        size = _OPERATORS.get(constraint[1] if len(constraint) > 1 else "", 0)
        if not size or len(constraint) < size:
            found[f"/constraints({number})"] = f"Constraint definition invalid: {constraint}"
    return found


def _health_problems(app: App) -> dict[str, str]:
    ports = len(mappings(app)) if mode(app) != "host" else len(app["portDefinitions"])
    found = {}
    for number, check in enumerate(app["healthChecks"]):
        if check["protocol"] not in _PROTOCOLS:
            found[f"/healthChecks({number})/protocol"] = f"must be one of {', '.join(_PROTOCOLS)} (this is a stand-in)"
        if "port" not in check and int(check.get("portIndex", 0)) >= ports:
            found[f"/healthChecks({number})"] = "Health check port indices must address an element of the ports array"
    return found
