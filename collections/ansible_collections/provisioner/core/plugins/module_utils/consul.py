"""What filters and modules for Consul share."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
import time
import uuid
from collections.abc import Mapping


class RefusedError(Exception):
    """Consul does not do what it is asked. The cause is the operating system's or the protocol's error, if there is one; else there is
    the `status` of its answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


#: What an agent answers, with 500, while its servers elect or the one it asked is restarted: it says nothing of what was asked.
NOT_NOW = re.compile(r"rpc error|No cluster leader|not leader|leadership|\bEOF\b", re.IGNORECASE)
#: An election, or the start of a server, is over after so long.
PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.5


class Agent:
    """An agent's HTTP API. `address` is host:port; `headers` say who asks; `seconds` is how long an answer is waited for."""

    def __init__(self, address: str, headers: Mapping[str, str], seconds: int) -> None:
        self._address, self._headers, self._seconds = address, dict(headers), seconds

    def ask(self, method: str, path: str, body: object = None) -> str:
        """The text of its answer; `body` is sent as JSON, again while no server can answer. RefusedError says why there is no good one."""
        end = time.monotonic() + PATIENCE_SECONDS
        status, text = self._asked(method, path, body)
        while status == http.client.INTERNAL_SERVER_ERROR and NOT_NOW.search(text) and time.monotonic() < end:
            time.sleep(PAUSE_SECONDS)
            status, text = self._asked(method, path, body)
        if status != http.client.OK:
            raise RefusedError(f"{status} {text.strip()}", status)
        return text

    def _asked(self, method: str, path: str, body: object) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._address, timeout=self._seconds)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(str(error) or repr(error)) from error
        finally:
            connection.close()


def bearing(token: str) -> dict[str, str]:
    """The headers of who brings a token; none where it is empty."""
    return {"X-Consul-Token": token} if token else {}


def consul_token(secret: str, node: str) -> str:
    """The token of the agent of this name, which tells nothing of the secret and of other agents' tokens."""
    return str(uuid.UUID(bytes=hmac.new(secret.encode(), node.encode(), hashlib.sha256).digest()[:16], version=4))
