"""How a living Consul is closed and opened: everybody gets to know tokens while nobody is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.plan.phases import Phase


def phases(wanted: Mapping[str, Any], serving: Mapping[str, Mapping[str, Any]]) -> list[Phase]:
    """See `plan/phases`. First the servers, because tokens can be made when all of them know of tokens; then the clients."""
    closing = wanted.get("consul_acl") == "deny"
    before, why = ("off", "know tokens and refuse nobody yet") if closing else ("deny", "refuse nobody any more, and still know tokens")
    servers = tuple(sorted(name for name, facts in serving.items() if facts.get("server") and facts.get("acl") == before))
    clients = tuple(sorted(name for name, facts in serving.items() if not facts.get("server") and facts.get("acl") == before))
    found = [Phase(servers, {"consul_acl": "allow"}, why)] if servers else []
    if clients:
        found.append(Phase(clients, {"consul_acl": "allow" if closing else "off"}, "bring a token" if closing else "bring none any more"))
    return found
