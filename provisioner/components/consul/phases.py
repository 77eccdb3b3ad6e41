"""How a living Consul is closed and opened, while each server understands the others and nobody is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.plan.phases import Phase

#: What a server is like, in this order: it knows no tokens; it knows them, refuses nobody, and takes TLS; it also speaks TLS; it refuses.
OFF, ACCEPTS, USES, REFUSES = range(4)
ACCEPT, USE = ({"consul_acl": "allow", "consul_tls": how} for how in ("accept", "use"))


def phases(wanted: Mapping[str, Any], serving: Mapping[str, Mapping[str, Any]]) -> list[Phase]:
    """See `plan/phases`. Tokens are made when all servers know of them; TLS is spoken when all take it, and asked for when all speak it."""
    servers = {name: _state(facts) for name, facts in serving.items() if facts.get("server")}

    def of(servers_at: Callable[[int], bool]) -> tuple[str, ...]:
        return tuple(sorted(name for name, state in servers.items() if servers_at(state)))

    if wanted.get("consul_acl") == "deny":
        clients = tuple(sorted(name for name, facts in serving.items() if not facts.get("server") and facts.get("acl") == "off"))
        found = [Phase(of(lambda state: state < ACCEPTS), ACCEPT, "know tokens and take TLS, and refuse nobody yet"),
                 Phase(clients, {"consul_acl": "allow"}, "bring a token, by TLS"),
                 Phase(of(lambda state: state < USES), USE, "speak TLS to each other")]
    else:
        clients = tuple(sorted(name for name, facts in serving.items() if not facts.get("server") and facts.get("acl") != "off"))
        found = [Phase(of(lambda state: state > USES), USE, "refuse nobody any more, and still know tokens"),
                 Phase(of(lambda state: state > ACCEPTS), ACCEPT, "speak in clear to each other, and still take TLS"),
                 Phase(clients, {"consul_acl": "off"}, "bring no token any more")]
    return [phase for phase in found if phase.hosts]


def _state(facts: Mapping[str, Any]) -> int:
    if facts.get("acl") == "allow":
        return USES if facts.get("speaks_tls") else ACCEPTS
    return REFUSES if facts.get("acl") == "deny" else OFF
