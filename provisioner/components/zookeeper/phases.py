"""How members that speak in clear to each other come to speak TLS, and back, while the ensemble serves (ZooKeeper administrator's guide,
"Upgrading existing non-TLS cluster"): first all accept both, then all use TLS, then none accepts anything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.plan.phases import Phase

#: What a member's settings switch on, by how far it is.
STATES: Mapping[str, list[str]] = {
    "off": [], "accept": ["portUnification"], "use": ["portUnification", "sslQuorum"], "require": ["sslQuorum"]}
ORDER = tuple(STATES)
WHY = {"accept": "members accept TLS from each other beside clear text", "use": "members use TLS and still accept clear text"}
#: The first version that can.
FIRST = (3, 5, 5)


def phases(wanted: Mapping[str, Any], serving: Mapping[str, Mapping[str, Any]]) -> list[Phase]:
    """The passes before the last one, from where the members are."""
    # Of several members, as a lone one has nobody to speak to; it gets company by `ensemble`.
    if any(len(facts.get("servers", [])) < 2 or _version(facts) < FIRST for facts in serving.values()):
        return []
    at = {host: next((i for i, name in enumerate(ORDER) if STATES[name] == sorted(facts.get("tls", []))), 0)
          for host, facts in serving.items()}
    # Few variables are those of all hosts; this one every host of a closed cluster has.
    closed = bool(wanted.get("common_authority"))
    found = []
    for name in ("accept", "use") if closed else ("use", "accept"):
        aim = ORDER.index(name)
        behind = tuple(sorted(host for host, now in at.items() if (now < aim if closed else now > aim)))
        found += [Phase(behind, {"zookeeper_quorum_tls": name}, WHY[name])] if behind else []
    return found


def _version(facts: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in str(facts.get("version", "")).split(".") if part.isdigit())
