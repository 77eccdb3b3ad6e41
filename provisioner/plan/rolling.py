"""How one component is changed on some hosts: who together, who one at a time, and in which order. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.cluster.model import Cluster
from provisioner.components import QUORUMS
from provisioner.components.model import Component
from provisioner.observe.observation import Observation
from provisioner.plan.scope import BATCH, share
from provisioner.plan.steps import Step, in_order, serves


def rolled(component: Component, hosts: Sequence[str], cluster: Cluster, seen: Observation, batch: str = BATCH) -> list[Step]:
    """How a component is changed on these hosts.

    Where it serves already: members that serve together one at a time, the leader last, because a change of leader is what
    costs (a change of Mesos leader takes about 10 s). Before them, all at once, those that serve nobody yet, unless they vote.
    Then the others, `batch` of them at a time ("20%" or a number) when what runs on them feels it. Where it serves nowhere yet:
    on all at once.
    """
    if not hosts:
        return []
    together = {h.name for h in cluster.members(component.rolling)} if component.rolling else set()
    living = any(serves(seen, name, component) for name in together)
    if together and not living:
        return [Step(component, tuple(hosts), all_or_none=bool(together & set(hosts)))]
    fresh = tuple(n for n in hosts if n in together and component.name not in QUORUMS and not serves(seen, n, component))
    one_by_one = in_order(component, [n for n in hosts if n in together and n not in fresh], seen)
    rest = tuple(n for n in hosts if n not in together)
    size = share(batch, len(rest)) if component.batched and any(serves(seen, n, component) for n in rest) else 0
    steps = [Step(component, fresh, all_or_none=True)] if fresh else []
    steps += [Step(component, tuple(one_by_one), batch=1, all_or_none=True)] if one_by_one else []
    return [*steps, Step(component, rest, batch=0 if size >= len(rest) else size)] if rest else steps
