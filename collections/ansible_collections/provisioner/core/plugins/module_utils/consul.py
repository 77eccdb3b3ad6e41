"""What filters and modules for Consul share."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import uuid
from collections.abc import Mapping


class RefusedError(Exception):
    """Consul does not do what it is asked. The cause is the operating system's or the protocol's error, if there is one."""


class Agent:
    """An agent's HTTP API. `address` is host:port; `headers` say who asks; `seconds` is how long an answer is waited for."""

    def __init__(self, address: str, headers: Mapping[str, str], seconds: int) -> None:
        self._address, self._headers, self._seconds = address, dict(headers), seconds

    def ask(self, method: str, path: str, body: object = None) -> str:
        """The text of its answer; `body` is sent as JSON. RefusedError says why there is no good one."""
        connection = http.client.HTTPConnection(self._address, timeout=self._seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(str(error) or repr(error)) from error
        finally:
            connection.close()
        if answer.status != 200:
            raise RefusedError(f"{answer.status} {text.strip()}")
        return text


def bearing(token: str) -> dict[str, str]:
    """The headers of who brings a token; none where it is empty."""
    return {"X-Consul-Token": token} if token else {}


def consul_token(secret: str, node: str) -> str:
    """The token of the agent of this name, which tells nothing of the secret and of other agents' tokens."""
    return str(uuid.UUID(bytes=hmac.new(secret.encode(), node.encode(), hashlib.sha256).digest()[:16], version=4))
