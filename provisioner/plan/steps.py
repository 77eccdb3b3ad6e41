"""What is done to a cluster: steps, and the plan that is made of them. The engine does these steps and no others."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.cluster.names import host_list
from provisioner.components import COMPONENTS
from provisioner.components.model import Component
from provisioner.observe.observation import Observation

#: Verbs whose steps roll where they go one host at a time: the next member is touched only while all others serve.
ROLLING = ("up", "restart")
#: The condition of steps that belong to a reboot: the host asks for one.
REBOOT = "reboot"
#: The verb that sends a site's mirror what it serves.
FILL = "fill"


@dataclass(frozen=True)
class Step:
    """One verb of one component on some hosts.

    `verb` names the playbook (up, drain, stop, restart, remove) or what else does it (reboot, protect, fill, forget). `batch` hosts are
    worked on at a time, in the order of `hosts`; 0 means all at once. In a step that is `all_or_none` the first failure stops the rest: its
    hosts serve together. `why` says for people what makes it necessary. While an ensemble changes its size, `variables` replace those of
    the inventory for this step (then nothing is noted on the hosts: it is not yet what they are to have), and `expect` what the check
    asks for. `reasons` holds, by host, all that differs there. `if_needed` names the condition under which the step is done on a host,
    where only the run can tell; it is asked once, so that steps with the same condition are done there all or none. A step `alongside`
    is done at the same time as the one before it.
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
    if_needed: str = ""
    alongside: bool = False

    @property
    def rolls(self) -> bool:
        """One host after the other, and who leads is asked when it begins: the order of `hosts` may change."""
        return self.batch == 1 and len(self.hosts) > 1 and self.verb in ROLLING

    @property
    def together_if_none_serves(self) -> bool:
        """A roll is done on all at once where no member serves when it begins: none has to be kept, and a quorum that is lost comes
        back only with several. Not on the way to another size: its order keeps what was written.
        """
        return self.rolls and not self.expect

    @property
    def title(self) -> str:
        """What is done, without where."""
        return {"up": self.component.title, "reboot": "reboot"}.get(self.verb, f"{self.verb} {self.component.title}")

    def describe(self) -> str:
        """One line for people."""
        how = "all at once" if not self.batch else "one at a time" if self.batch == 1 else f"{self.batch} at a time"
        how += "; all together if none serves" if self.together_if_none_serves else ""
        where = " " if self.verb == "reboot" else " on "
        text = f"{self.title}{where}{host_list(self.hosts)}" + (f" ({how})" if len(self.hosts) > 1 else "")
        text += ", if needed" if self.if_needed else ""
        text += ", alongside" if self.alongside else ""
        return f"{text}: {self.why}" if self.why else text

    def as_json(self) -> dict[str, object]:
        """One element of `plan --json`."""
        return {"component": self.component.name, "verb": self.verb, "hosts": list(self.hosts),
                "at_a_time": self.batch or len(self.hosts), "together_if_none_serves": self.together_if_none_serves,
                "if_needed": self.if_needed, "alongside": self.alongside, "why": self.why, "reasons": dict(self.reasons)}


@dataclass(frozen=True)
class Plan:
    """The steps, in order. `voters` are the hosts that some quorum needs: losing one of them ends a run."""

    cluster: str
    steps: tuple[Step, ...]
    voters: frozenset[str] = frozenset()

    def stages(self) -> list[dict[int, Step]]:
        """The steps by their numbers, those together that go side by side."""
        found: list[dict[int, Step]] = []
        for number, step in enumerate(self.steps, 1):
            if not (step.alongside and found):
                found.append({})
            found[-1][number] = step
        return found

    def without(self, hosts: Collection[str]) -> Plan:
        """The same plan with some hosts left out."""
        left: list[Step] = []
        for stage in self.stages():
            steps = (dataclasses.replace(s, hosts=tuple(h for h in s.hosts if h not in hosts)) for s in stage.values())
            # The first that is left of a stage begins it: alongside the stage before it would come too early.
            left += [dataclasses.replace(s, alongside=place > 0) for place, s in enumerate(s for s in steps if s.hosts)]
        return dataclasses.replace(self, steps=tuple(left))


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
