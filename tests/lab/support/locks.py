"""Whether a door is locked: what is answered without a password, with a wrong one and with the right one; where secrets can be seen."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner_lab.services import FromHere

TIMEOUT_SECONDS = 20
#: What may be read by more than root, or goes to other places: command lines, what the engine tells of its containers, and the journal.
SEEN = "ps axww -o args; docker inspect {name}; journalctl -u {name} --no-pager"


@dataclass(frozen=True)
class Answers:
    """The statuses, and how the first was told to log in."""

    without: int
    wrong: int
    right: int
    challenge: str


def answers(server: str, path: str, secrets: Mapping[str, Any], component: str) -> Answers:
    """What a component answers at `http(s)://host:port`; by HTTPS only with a certificate of the cluster's own authority."""
    without, challenge = _status(server, path, {}, secrets)
    wrong, _ = _status(server, path, FromHere({f"vault_{component}_http_password": "wrong"}).headers(component), secrets)
    right, _ = _status(server, path, FromHere(secrets).headers(component), secrets)
    return Answers(without, wrong, right, challenge)


def _status(server: str, path: str, headers: Mapping[str, str], secrets: Mapping[str, Any]) -> tuple[int, str]:
    trusted = ssl.create_default_context(cadata=secrets["vault_cluster_ca_certificate"]) if server.startswith("https") else None
    request = urllib.request.Request(server + path, headers=dict(headers))  # noqa: S310 - an address of the lab
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS, context=trusted) as answer:  # noqa: S310 - an address of the lab
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("WWW-Authenticate", "")


def tells_no_secret(on: Any, name: str, secrets: Mapping[str, Any]) -> None:
    """Of all secrets of the cluster none is where others see it; `name` is that of the unit and of its container."""
    seen = on.check_output(SEEN.format(name=name))
    assert f"/{name}" in seen, "the engine tells nothing of the container"
    told = [secret for secret, value in secrets.items() if secret.startswith("vault_") and "digest" not in secret and str(value) in seen]
    assert told == [], f"to be seen on the host: {told}"
