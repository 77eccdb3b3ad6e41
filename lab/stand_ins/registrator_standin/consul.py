"""The local Consul agent: where services are put and taken away."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, urlsplit

from .http import Endpoint
from .service import Service


class Consul:
    """Raises ValueError for a URI that is not `consul://host:port` or `consul-unix://path`, OSError when asking fails."""

    def __init__(self, uri: str) -> None:
        parts = urlsplit(uri)
        if parts.scheme not in ("consul", "consul-unix"):
            raise ValueError(f"unrecognized adapter: {uri}")
        token = os.environ.get("CONSUL_HTTP_TOKEN")
        url = f"http://{parts.netloc or '127.0.0.1:8500'}" if parts.scheme == "consul" else uri[len("consul-") :]
        self._agent = Endpoint(url, 8500, {"X-Consul-Token": token} if token else {})

    def leader(self) -> str:
        """Address of the cluster's leader, "" if there is none."""
        return str(self._agent.ask("GET", "/v1/status/leader"))

    def register(self, service: Service) -> None:
        """Put a service, or put it again."""
        body = {
            "ID": service.id,
            "Name": service.name,
            "Port": service.port,
            "Tags": list(service.tags),
            "Address": service.address,
            "Meta": service.attributes,
            "Check": check_of(service),
        }
        self._agent.ask("PUT", "/v1/agent/service/register", body)

    def deregister(self, service_id: str) -> None:
        """Take a service away."""
        self._agent.ask("PUT", f"/v1/agent/service/deregister/{quote(service_id, safe='')}")

    def services(self) -> dict[str, str]:
        """Name of every service of this agent, by its id."""
        return {key: value["Service"] for key, value in (self._agent.ask("GET", "/v1/agent/services") or {}).items()}


def check_of(service: Service) -> dict[str, Any] | None:
    """Consul's health check for a service, from its `check_*` attributes; None if there are none."""
    asked = service.attributes
    where = f"{service.address}:{service.port}"
    check: dict[str, Any] = {}
    for kind in ("http", "https"):
        if asked.get(f"check_{kind}") and not check:
            check["HTTP"] = f"{kind}://{where}{asked[f'check_{kind}']}"
            check["Method"] = asked.get(f"check_{kind}_method", "")
    if not check and asked.get("check_script"):
        check["Args"] = [asked["check_script"].replace("$SERVICE_IP", service.address).replace("$SERVICE_PORT", str(service.port))]
    if not check and asked.get("check_ttl"):
        return _finished({"TTL": asked["check_ttl"]}, asked)
    if not check and asked.get("check_tcp"):
        check["TCP"] = where
    if not check and asked.get("check_grpc"):
        check["GRPC"] = where
    if not check:
        return None
    check["Interval"] = asked.get("check_interval") or "10s"
    if "Args" not in check:
        check["Timeout"] = asked.get("check_timeout", "")
    return _finished(check, asked)


def _finished(check: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    names = {"Status": "check_initial_status", "DeregisterCriticalServiceAfter": "check_deregister_after"}
    check.update({name: asked[key] for name, key in names.items() if asked.get(key)})
    return {name: value for name, value in check.items() if value}
