"""Asking Mesos: its operator API and its plain endpoints."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

#: How root asks Mesos on a host: the headers of somebody who may only look.
VIEWER = Path("/etc/provisioner/credentials/mesos.json")


def viewer() -> dict[str, str]:
    """The headers of somebody who may only look; none where the host has none."""
    try:
        found: dict[str, str] = json.loads(VIEWER.read_text())
    except (OSError, ValueError):
        return {}
    return found


def login(credential: Mapping[str, str]) -> dict[str, str]:
    """The headers of a principal with its secret; the viewer's without one."""
    if not credential.get("principal"):
        return viewer()
    pair = base64.b64encode(f"{credential['principal']}:{credential['secret']}".encode()).decode()
    return {"Authorization": f"Basic {pair}"}


def call(server: str, kind: str, seconds: float, headers: Mapping[str, str], **body: Any) -> tuple[int, Any]:
    """A master's answer to a call of the operator API, as (status, JSON or text); status 0 when it does not answer."""
    data = json.dumps({"type": kind, **body}).encode()
    request = urllib.request.Request(f"http://{server}/api/v1", data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            text = answer.read().decode()
            return answer.status, json.loads(text) if text else {}
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except (OSError, ValueError) as error:
        return 0, str(error)


def get(server: str, path: str, seconds: float) -> dict[str, Any]:
    """The JSON behind a path; {} when nobody answers or may not be asked."""
    try:
        request = urllib.request.Request(f"http://{server}{path}", headers=viewer())
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return {}
