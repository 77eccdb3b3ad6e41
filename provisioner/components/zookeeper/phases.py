"""How members that speak in clear to each other come to speak TLS, and back, while the ensemble serves (ZooKeeper administrator's guide,
"Upgrading existing non-TLS cluster"): first all accept both, then all use TLS, then none accepts anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.plan.phases import Members, Phase, on_the_way

#: What a member's settings switch on, by how far it is.
STATES: Mapping[str, list[str]] = {
    "off": [], "accept": ["portUnification"], "use": ["portUnification", "sslQuorum"], "require": ["sslQuorum"]}
ORDER = tuple(STATES)
WHY = {"off": "members get a version that can speak TLS",
       "accept": "members accept TLS from each other beside clear text", "use": "members use TLS and still accept clear text"}
#: The first version that can.
FIRST = (3, 5, 5)


def phases(members: Members) -> list[Phase]:
    """The passes before the last one, from where the members are; see `plan/phases`."""
    # Few variables are those of all hosts; this one every host of a closed cluster has.
    closed = bool(members.wanted.get("common_authority"))
    everybody = members.serving.keys() | members.absent
    # A lone one has nobody to speak to; it gets company by `ensemble`.
    if any(len(facts.get("servers", [])) < 2 for facts in members.serving.values()):
        return []
    if any(_version(facts) < FIRST for facts in members.serving.values()):
        if not (closed and members.moving):
            return []
        at = dict.fromkeys(everybody, -1)
    else:
        at = on_the_way({host: next((i for i, name in enumerate(ORDER) if STATES[name] == sorted(facts.get("tls", []))), 0)
                         for host, facts in members.serving.items()}, forward=closed)
    found = []
    for name in ORDER[:3] if closed else ORDER[2:0:-1]:
        aim = ORDER.index(name)
        behind = {host for host, now in at.items() if (now < aim if closed else now > aim)}
        found += [Phase(tuple(sorted(behind | everybody - at.keys())), {"zookeeper_quorum_tls": name}, WHY[name])] if behind else []
    return found


def _version(facts: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(facts.get("version", "")).split(".") if part.isdigit())
