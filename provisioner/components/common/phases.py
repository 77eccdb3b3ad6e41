"""How a living cluster is opened: the base keeps what members know each other by (certificate, logins) until nobody asks for it."""

from __future__ import annotations

from provisioner.plan.phases import Members, Phase


def phases(members: Members) -> list[Phase]:
    """See `plan/phases`. Who has no base yet can't wait for the end with it."""
    if arrived(members) or not members.absent:
        return []
    return [Phase(tuple(sorted(members.absent)), {}, "a base that other components stand on")]


def arrived(members: Members) -> bool:
    """See `plan/phases`. A cluster that is closed gets all this first of all, and is there at once."""
    return bool(members.wanted.get("common_authority")) or not any(facts.get("authority") for facts in members.serving.values())
