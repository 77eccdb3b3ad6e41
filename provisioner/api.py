"""The HTTP interface of a component that several hosts run: any of them may answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provisioner.adapters.errands import Errands, Reply
from provisioner.cluster import Host
from provisioner.errors import StepFailed, UnreachableError


class Api:
    """Asks from the hosts that run it, so that its port need not be open to us. `servers`: each host with its `address:port`."""

    def __init__(self, errands: Errands, title: str, servers: Sequence[tuple[Host, str]]) -> None:
        self._errands, self._title, self._servers = errands, title, servers

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
            reply = from_host(self._errands, host, method, server, path, body)
            if reply.status and reply.status < 500:
                break
        return reply


def from_host(errands: Errands, host: Host, method: str, server: str, path: str, body: object = None) -> Reply:
    """One request from one host; one that can't be entered has no answer."""
    try:
        return errands.http(host, method, server, path, body)
    except UnreachableError as error:
        return Reply(0, error.message)
