"""Changes of version: the order of the stack, agents that are drained first, a state that old and new must not share. Pure functions.

Sources of the rules: Mesos' upgrade instructions (masters before agents, agents before schedulers) and its page on agent recovery
(tasks outlive an agent that is replaced by a newer one, those of frameworks without checkpoints excepted, which a drain would end
too); Marathon's upgrade guide (stop all but one, start one of the new version, then stop the last old one: the new leader
migrates the state, after which an old one must not lead again); Docker's documentation of live restore (not across all major versions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.cluster.model import Cluster
from provisioner.components import AGENT, COMPONENTS, UPGRADE_ORDER, component
from provisioner.components.model import Component
from provisioner.observe.observation import Observation
from provisioner.plan.scope import share
from provisioner.plan.steps import Step, in_order, serves
from provisioner.plan.versions import Moves


def order(moving: Moves) -> tuple[Component, ...]:
    """That of an upgrade where a version changes, else that of a build."""
    return UPGRADE_ORDER if moving else COMPONENTS


def drained_agents(todo: Mapping[str, Sequence[str]], seen: Observation, moving: Moves) -> frozenset[str]:
    """The agents whose tasks move away first: those where Docker gets another version and that serve now."""
    return frozenset(host for c in COMPONENTS if c.ends_tasks for host in todo.get(c.name, ())
                     if host in moving.get(c.name, {}) and serves(seen, host, AGENT))


def with_agents_drained(drained: frozenset[str], todo: Mapping[str, Sequence[str]], cluster: Cluster, seen: Observation,
                        batch: str) -> list[Step]:
    """Drain, Docker, agent: batch after batch, one by one on hosts that run a Marathon too. The agent's role lets it work again."""
    docker, agent = next(c for c in COMPONENTS if c.ends_tasks), AGENT
    together = {h.name for h in cluster.members(docker.rolling)}
    mixed = [[host] for host in in_order(component(docker.rolling), drained & together, seen)]
    rest = [h.name for h in cluster.members(agent.name) if h.name in drained and h.name not in together]
    size = share(batch, len(rest)) if rest else 1
    steps = []
    for hosts in (*mixed, *(rest[i:i + size] for i in range(0, len(rest), size))):
        steps.append(Step(agent, tuple(hosts), verb="drain", why=where_tasks_go(cluster)))
        changed = tuple(h for h in hosts if h in todo.get(docker.name, ()))
        steps += [Step(docker, changed)] if changed else []
        steps.append(Step(agent, tuple(hosts)))
    return steps


def where_tasks_go(cluster: Cluster) -> str:
    """What a drain means for the tasks of one agent."""
    alone = len(cluster.members(AGENT.name)) == 1
    return "its tasks end, as there is no other agent, and start anew on it" if alone else "its tasks move to other agents"


def migrated(marathon: Component, hosts: Sequence[str], seen: Observation, moving: Moves) -> list[Step]:
    """Marathon's own order, where its version moves; nothing for other components, or where a single one serves."""
    if not marathon.versions.migrates or not moving.get(marathon.name):
        return []
    return one_electable(marathon, hosts, seen, "none of the old version may lead once the state was migrated")


def one_electable(marathon: Component, hosts: Sequence[str], seen: Observation, why: str) -> list[Step]:
    """Members that can't serve beside those that were changed: all but the leader stop, the leader is changed after the first other.

    Nothing where no other than the last of them serves.
    """
    turns = in_order(marathon, hosts, seen)
    others, last = turns[:-1], turns[-1:]
    serving = tuple(h for h in others if serves(seen, h, marathon))
    if not serving:
        return []
    first, rest = others[:1], others[1:]
    steps = [Step(marathon, serving, verb="stop", why=why),
             Step(marathon, tuple(first), all_or_none=True), Step(marathon, tuple(last), all_or_none=True)]
    return [*steps, Step(marathon, tuple(rest), batch=1, all_or_none=True)] if rest else steps
