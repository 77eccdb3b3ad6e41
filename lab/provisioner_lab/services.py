"""The services of a lab's cluster as the machine sees them that the lab runs on: it reaches every host's own address."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Mapping

from provisioner.cluster.model import Host
from provisioner.errors import StepFailed
from provisioner.hosts.http_api import Api, from_host
from provisioner.hosts.remote_agent import ask_http
from provisioner.hosts.remote_calls import Reply

ANSWER_SECONDS = 5.0
#: As whom operators log in.
USER = "operator"


class FromHere:
    """Asks from this machine, with the cluster's `secrets`; see provisioner.hosts.http_api.Way."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets = secrets or {}

    def http(self, host: Host, method: str, server: str, path: str, body: object = None, *, credentials: str = "") -> Reply:
        """One HTTP request; status 0 when there is no answer within ANSWER_SECONDS."""
        try:
            said = ask_http({"method": method, "server": server, "path": path, "body": body, "timeout": ANSWER_SECONDS,
                             "headers": self.headers(credentials), "authority": self._secrets.get("vault_cluster_ca_certificate")})
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, str(error) or type(error).__name__)
        return Reply(int(said["status"]), str(said["body"]))

    def headers(self, component: str) -> dict[str, str]:
        """With what a component is asked that wants a password; nothing where it has none."""
        password = self._secrets.get(f"vault_{component}_http_password") or self._secrets.get(f"vault_{component}_operator_secret")
        pair = base64.b64encode(f"{USER}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"} if password else {}


class Service(Api):
    """An Api with an address to give to other programs."""

    @property
    def url(self) -> str:
        """`http://address:port`, or with https, of the first member that answers now. Raises StepFailed when none does."""
        reply = Reply(0, "it has no members")
        for host, server in self._servers:
            reply = from_host(self._way, host, "GET", server, "/")
            if reply.status and reply.status < 500:
                return server if "://" in server else f"http://{server}"
        raise StepFailed(f"no member of {self._title} answers: {reply}", hint="'provision status' says what is wrong")

    def __str__(self) -> str:
        return self.url
