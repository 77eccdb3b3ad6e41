"""The members of a step that is done one host at a time, asked while it goes on."""

from __future__ import annotations

from collections.abc import Collection

from provisioner.context import Context
from provisioner.observe.observation import Observation, observe
from provisioner.observe.wait import wait_until
from provisioner.plan.steps import Step, in_order, serves

#: How long a member may be missing in the middle of a roll; then it stops. Half of the minute in which it is to have stopped.
GATE_SECONDS = 30.0
#: Between two looks: a member that is back is to be seen at once.
PAUSE_SECONDS = 0.5


class LiveMembers:
    """See engine.Members: asks the hosts. An election is borne with for GATE_SECONDS."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def now(self, step: Step) -> tuple[list[str], frozenset[str]]:
        """See engine.Members; the order is that of `steps.in_order`."""
        seen = wait_until(lambda: self._look(step.hosts, step.component.name, *step.component.carries),
                          lambda seen: bool(_serving(seen, step, step.hosts)), GATE_SECONDS, pause=PAUSE_SECONDS)
        return in_order(step.component, step.hosts, seen), _serving(seen, step, step.hosts)

    def missing(self, step: Step, expected: frozenset[str]) -> frozenset[str]:
        """See engine.Members."""
        if not expected:
            return frozenset()
        return expected - wait_until(lambda: _serving(self._look(sorted(expected), step.component.name), step, expected),
                                     lambda serving: serving == expected, GATE_SECONDS, pause=PAUSE_SECONDS)

    def _look(self, hosts: Collection[str], *components: str) -> Observation:
        one = self._context
        return observe(one.cluster, one.rendered, one.transport, hosts=tuple(hosts), components=components, sections=("health",))


def _serving(seen: Observation, step: Step, hosts: Collection[str]) -> frozenset[str]:
    return frozenset(host for host in hosts if serves(seen, host, step.component))
