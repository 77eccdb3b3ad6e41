"""The site's mirror: it serves what was sent to it, by the address at which the other hosts ask."""

import hashlib
from pathlib import Path
from typing import Any

from provisioner.probe.health.answer import UnhealthyError, answer
from provisioner.probe.health.systemd import expect, running
from provisioner.probe.health.web import get

REGISTRY = "mirror-registry"
expect(REGISTRY)
#: What makes it a mirror of this inventory, in the order in which it is digested.
LISTS = ("/provision.lock", "/catalogue.json")
#: Who signed the registry's certificate; the host's own list may not be there yet.
AUTHORITY = Path("/etc/provisioner/mirror/tls/ca.pem")


def health(request: "dict[str, Any]") -> "dict[str, Any]":
    """Answer for the mirror of a host: lock and catalogue are those of the operator's folder, and the registry answers."""
    running(request["unit"], request.get("steady", 0))
    running(request["registry_unit"], request.get("steady", 0))
    whole = hashlib.sha256()
    for path in LISTS:
        reply = get(request["server"], path)
        if reply.status != 200:
            raise UnhealthyError(f"{reply.where} answers {reply.status} {reply.text}".rstrip())
        whole.update(reply.body)
    images = get(request["registry"], "/v2/", authority=AUTHORITY)
    if images.status != 200:
        raise UnhealthyError(f"{images.where} answers {images.status} {images.text}".rstrip())
    if whole.hexdigest() != request["content"]:
        return answer("degraded", "what it serves is not what the operator's folder has")
    return answer("ok", "serves packages, files and images")
