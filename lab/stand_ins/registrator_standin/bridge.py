"""Keeps Consul in step with Docker: at the start, at every event, and again every `-resync` seconds."""

from __future__ import annotations

import datetime
import json
import socket
import sys
import threading
from typing import Any
from urllib.parse import quote

from .consul import Consul
from .http import Endpoint
from .service import ID, Service, services_of


def log(message: str) -> None:
    """One line in Go's format, on standard error."""
    print(f"{datetime.datetime.now():%Y/%m/%d %H:%M:%S} {message}", file=sys.stderr, flush=True)


class Bridge:
    """Knows the services of the containers of this host."""

    def __init__(self, docker: Endpoint, consul: Consul, flags: dict[str, Any]) -> None:
        self.docker, self.consul, self.flags = docker, consul, flags
        self.hostname = socket.gethostname()
        self._services: dict[str, list[Service]] = {}
        self._lock = threading.Lock()

    def sync(self) -> None:
        """Register everything that runs; with `-cleanup` take away what nothing runs. Raises OSError when Docker is mute."""
        containers = self.docker.ask("GET", "/containers/json")
        log(f"Syncing services on {len(containers)} containers")
        with self._lock:
            for container in containers:
                for service in self._services.get(container["Id"], []):
                    self._register(container["Id"], service)
                if container["Id"] not in self._services:
                    self._add(container["Id"])
        if self.flags["cleanup"]:
            self._clean()

    def add(self, container: str) -> None:
        """A container started."""
        with self._lock:
            if container not in self._services:
                self._add(container)

    def remove(self, container: str) -> None:
        """A container ended."""
        wanted = self.flags["deregister"] == "always" or self._succeeded(container)
        with self._lock:
            for service in self._services.pop(container, []) if wanted else []:
                self._deregister(service.id)

    def _add(self, container: str) -> None:
        try:
            inspected = self.docker.ask("GET", f"/containers/{container}/json")
        except OSError as error:
            log(f"unable to inspect container: {container[:12]} {error}")
            return
        found = services_of(inspected, self.hostname, self.flags)
        if not found:
            log(f"ignored: {container[:12]} no published ports")
        for service in found:
            if self._register(container, service):
                self._services.setdefault(container, []).append(service)
                log(f"added: {container[:12]} {service.id}")

    def _register(self, container: str, service: Service) -> bool:
        try:
            self.consul.register(service)
        except OSError as error:
            log(f"register failed: {container[:12]} {service.id} {error}")
            return False
        return True

    def _deregister(self, service_id: str) -> None:
        try:
            self.consul.deregister(service_id)
            log(f"removed: {service_id}")
        except OSError as error:
            log(f"deregister failed: {service_id} {error}")

    def _clean(self) -> None:
        wanted = quote(json.dumps({"status": ["created", "restarting", "running", "paused"]}))
        alive = {c["Id"] for c in self.docker.ask("GET", f"/containers/json?filters={wanted}")}
        for container in [c for c in self._services if c not in alive]:
            self.remove(container)
        try:
            registered = self.consul.services()
        except OSError as error:
            log(f"cleanup failed: {error}")
            return
        with self._lock:
            known = {(s.name, s.container) for services in self._services.values() for s in services}
            for service_id, name in registered.items():
                match = ID.match(service_id)
                if match and match.group(1) == self.hostname and (name, match.group(2)) not in known:
                    log(f"dangling: {service_id}")
                    self._deregister(service_id)

    def _succeeded(self, container: str) -> bool:
        try:
            state = self.docker.ask("GET", f"/containers/{container}/json")["State"]
        except FileNotFoundError:
            return True
        except OSError as error:
            log(f"error fetching status for container {container[:12]}: {error}")
            return False
        code = int(state["ExitCode"])
        return not state["Running"] and (code == 0 or bool(code & 128))
