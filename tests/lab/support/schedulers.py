"""Marathon and Chronos, asked as an operator asks them: with the cluster's password."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from marathon import MarathonClient

from provisioner_lab.services import USER, FromHere

TIMEOUT_SECONDS = 20
MARATHON_PORT, CHRONOS_PORT = 8080, 4400
MARATHON_HTTPS_PORT, CHRONOS_HTTPS_PORT = 8443, 4443


def marathon_client(address: str, secrets: Mapping[str, Any]) -> MarathonClient:
    """Of one member alone; `secrets` are the cluster's, or variables with them."""
    return MarathonClient(f"http://{address}:{MARATHON_PORT}", username=USER, password=secrets["vault_marathon_http_password"],
                          timeout=TIMEOUT_SECONDS)


def ask_chronos(address: str, secrets: Mapping[str, Any], path: str, body: object = None, method: str = "") -> str:
    """What one member answers to a path below /v1/scheduler."""
    headers = {"Content-Type": "application/json", **FromHere(secrets).headers("chronos")}
    request = urllib.request.Request(f"http://{address}:{CHRONOS_PORT}/v1/scheduler/{path}", method=method or None, headers=headers,
                                     data=json.dumps(body).encode() if body is not None else None)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - an address of the lab
        return str(answer.read().decode())
