"""The frameworks of Marathon and Chronos, as the leading Mesos master sees them: what `up` can cure, and what only a repair can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.components import SCHEDULERS, component
from provisioner.errors import StepFailed
from provisioner.observe.observation import Observation
from provisioner.probe.health.cause import REMOVED
from provisioner.probe.health.framework import REGISTERED

#: Marathon loads its apps before it registers with Mesos; Chronos its jobs a second later, or more where it is slow.
LED_SECONDS = 10.0


def state_of(health: Mapping[str, Any] | None) -> str:
    """What a health answer says of the framework: one of the words of `probe/health/framework.py`; '' where it says nothing."""
    facts = (health or {}).get("facts") or {}
    return str(facts.get("framework") or "")


def removed(seen: Observation) -> tuple[str, ...]:
    """The components whose framework Mesos has removed."""
    return tuple(name for name in SCHEDULERS if any(state_of(host.health.get(name)) == REMOVED for host in seen.hosts.values()))


def leader(seen: Observation, name: str) -> str:
    """The host whose member leads and is registered with Mesos; '' when there is none."""
    return next((host for host, said in seen.hosts.items() if state_of(said.health.get(name)) == REGISTERED), "")


def settled(seen: Observation, name: str) -> bool:
    """Has it a leader that has loaded what it keeps? Before, the apps or jobs that it lists are not all, and may be none."""
    facts = (seen.health(leader(seen, name), name) or {}).get("facts") or {}
    since = facts.get("registered_seconds")
    return isinstance(since, int | float) and since >= LED_SECONDS


def cure(name: str) -> str:
    """The command that gives a component another framework."""
    return f"provision repair {name}"


def refuse_removed(seen: Observation) -> None:
    """StepFailed when `up` can't bring a component back, because Mesos has removed its framework."""
    names = removed(seen)
    if names:
        titles = " and ".join(component(name).title for name in names)
        raise StepFailed(f"{titles}: Mesos has removed the framework, and every restart meets the same refusal",
                         hint="; ".join(f"'{cure(name)}' says what is lost, and gets a new framework" for name in names))
