"""The HTTP interface of a component that several hosts run: any of them may answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from provisioner.cluster.model import Host
from provisioner.errors import StepFailed, UnreachableError
from provisioner.hosts.remote_calls import Reply


class Way(Protocol):
    """How a request gets to a component: from a host, as `remote_calls.RemoteCalls` does it, or from here."""

    def http(self, host: Host, method: str, server: str, path: str, body: object = None, *, credentials: str = "") -> Reply:
        """One HTTP request on behalf of this host, with its credentials for the component of that name. May raise UnreachableError."""


class Api:
    """Asks one member after the other. `servers`: each host that runs it with its `address:port`.

    With RemoteCalls as its way it asks from these hosts, so that the port need not be open to us, and with the `credentials` that
    they have for the component of that name.
    """

    def __init__(self, way: Way, title: str, servers: Sequence[tuple[Host, str]], credentials: str = "") -> None:
        self._way, self._title, self._servers, self._credentials = way, title, servers, credentials

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """What it answers, as data; None when another method than GET has none. Raises StepFailed unless it is a 2xx."""
        reply = self.reply(method, path, body)
        if not reply.ok or (method == "GET" and reply.json() is None):
            raise StepFailed(f"{self._title} answers {reply} to {method} {path}", hint="'provision status' says what is wrong")
        return reply.json()

    def reply(self, method: str, path: str, body: object = None) -> Reply:
        """The first answer that is no 5xx; the last one when there is none."""
        reply = Reply(0, "no host of it was asked")
        for host, server in self._servers:
            reply = from_host(self._way, host, method, server, path, body, credentials=self._credentials)
            if reply.status and reply.status < 500:
                break
        return reply


def from_host(way: Way, host: Host, method: str, server: str, path: str, body: object = None, *, credentials: str = "") -> Reply:
    """One request to one host's server; a host that can't be entered has no answer."""
    try:
        return way.http(host, method, server, path, body, credentials=credentials)
    except UnreachableError as error:
        return Reply(0, error.message)
