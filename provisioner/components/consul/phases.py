"""How a living Consul is closed and opened, while each server understands the others and nobody is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.plan.phases import Members, Phase, on_the_way

#: What a server is like, in this order: it knows no tokens; it knows them, refuses nobody, and takes TLS; it also speaks TLS; it refuses.
OFF, ACCEPTS, USES, REFUSES = range(4)
ACCEPT, USE = ({"consul_acl": "allow", "consul_tls": how} for how in ("accept", "use"))


def phases(members: Members) -> list[Phase]:
    """See `plan/phases`. Tokens are made when all servers know of them; TLS is spoken when all take it, and asked for when all speak it."""
    closed = members.wanted.get("consul_acl") == "deny"
    voters = {h.name for h in members.cluster.members("consul_server")}
    servers = on_the_way({name: _state(facts) for name, facts in members.serving.items() if name in voters}, forward=closed)
    clients = {name for name, facts in members.serving.items() if name not in voters
               and facts.get("acl") in (("off",) if closed else ("allow", "deny"))}

    def passing(variables: Mapping[str, str], servers_at: Callable[[int], bool], why: str) -> list[Phase]:
        behind = {name for name, state in servers.items() if servers_at(state)}
        return [Phase(tuple(sorted(behind | voters - servers.keys())), variables, why)] if behind else []

    if closed:
        before = passing(ACCEPT, lambda state: state < ACCEPTS, "know tokens and take TLS, and refuse nobody yet")
        after = passing(USE, lambda state: state < USES, "speak TLS to each other")
    else:
        before = [*passing(USE, lambda state: state > USES, "refuse nobody any more, and still know tokens"),
                  *passing(ACCEPT, lambda state: state > ACCEPTS, "speak in clear to each other, and still take TLS")]
        after = []
    # A client that does not serve is not left to the last pass of all, as what comes before that may need it.
    clients |= members.absent - voters if before or clients or after else set()
    own = [Phase(tuple(sorted(clients)), {"consul_acl": "allow"}, "bring a token, by TLS") if closed else
           Phase(tuple(sorted(clients)), {"consul_acl": "off"}, "bring no token any more")] if clients else []
    return [*before, *own, *after]


def arrived(members: Members) -> bool:
    """See `plan/phases`: servers that refuse whom they are to refuse are the end."""
    end = REFUSES if members.wanted.get("consul_acl") == "deny" else OFF
    return all(_state(facts) == end for facts in members.serving.values() if facts.get("server"))


def _state(facts: Mapping[str, Any]) -> int:
    if facts.get("acl") == "allow":
        return USES if facts.get("speaks_tls") else ACCEPTS
    return REFUSES if facts.get("acl") == "deny" else OFF
