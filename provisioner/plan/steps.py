"""What is done to a cluster: steps, and the plan that is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster.names import host_list
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.observe.observation import Observation


@dataclass(frozen=True)
class Step:
    """One component on some hosts.

    `verb` names the playbook: up, drain, stop, restart or remove. `batch` hosts are worked on at a time, in the order of `hosts`; 0
    means all at once. In a step that is `all_or_none` the first failure stops the rest: its hosts serve together. `why` says
    for people what makes it necessary. While an ensemble changes its size, `variables` replace those of the inventory for this
    step (then nothing is noted on the hosts: it is not yet what they are to have), and `expect` what the check asks for. `reasons`
    holds, by host, all that differs there.
    """

    component: Component
    hosts: tuple[str, ...]
    batch: int = 0
    all_or_none: bool = False
    why: str = ""
    verb: str = "up"
    variables: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """One line for people."""
        how = "all at once" if not self.batch else "one at a time" if self.batch == 1 else f"{self.batch} at a time"
        what = self.component.title if self.verb == "up" else f"{self.verb} {self.component.title}"
        text = f"{what} on {host_list(self.hosts)}" + (f" ({how})" if len(self.hosts) > 1 else "")
        return f"{text}: {self.why}" if self.why else text

    def as_json(self) -> dict[str, object]:
        """One element of `plan --json`."""
        return {"component": self.component.name, "verb": self.verb, "hosts": list(self.hosts),
                "at_a_time": self.batch or len(self.hosts), "why": self.why, "reasons": dict(self.reasons)}


@dataclass(frozen=True)
class Plan:
    """The steps, in order. `voters` are the hosts that some quorum needs: losing one of them ends a run."""

    cluster: str
    steps: tuple[Step, ...]
    voters: frozenset[str] = frozenset()

    def without(self, hosts: Collection[str]) -> Plan:
        """The same plan with some hosts left out."""
        steps = (dataclasses.replace(s, hosts=tuple(h for h in s.hosts if h not in hosts)) for s in self.steps)
        return dataclasses.replace(self, steps=tuple(s for s in steps if s.hosts))


def serves(seen: Observation, host: str, component: Component) -> bool:
    """Does it work there, if perhaps without a peer?"""
    health = seen.health(host, component.name)
    return health is not None and health.get("state") in ("ok", "degraded")


def running(seen: Observation, component: Component) -> dict[str, Mapping[str, Any]]:
    """The facts of each host where it serves."""
    return {host: (seen.health(host, component.name) or {}).get("facts") or {} for host in seen.hosts if serves(seen, host, component)}


def leads(seen: Observation, host: str, component: Component) -> bool:
    """Is it the leader?"""
    health = seen.health(host, component.name)
    return health is not None and bool(health.get("leader"))


def in_order(component: Component, hosts: Collection[str], seen: Observation) -> list[str]:
    """Members that don't serve first (the others are needed), leaders last (a change of leader is what costs), also those it carries."""
    felt = [component, *(each for each in COMPONENTS if each.name in component.carries)]
    return sorted(hosts, key=lambda n: (serves(seen, n, component), sum(leads(seen, n, each) for each in felt), n))
