"""Asking Mesos: its operator API and its plain endpoints."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def call(server: str, kind: str, seconds: float, **body: Any) -> tuple[int, Any]:
    """A master's answer to a call of the operator API, as (status, JSON or text); status 0 when it does not answer."""
    data = json.dumps({"type": kind, **body}).encode()
    request = urllib.request.Request(f"http://{server}/api/v1", data, {"Content-Type": "application/json"})
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
        with urllib.request.urlopen(f"http://{server}{path}", timeout=seconds) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return {}
