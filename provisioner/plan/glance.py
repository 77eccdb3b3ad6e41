"""A quick look: is there anything to do at all? One question to each host, which is all that a rerun with nothing to do needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.cluster.facts import to_ansible_facts
from provisioner.components import COMPONENTS, component_names
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import UnreachableError, UsageError
from provisioner.hosts.host_keys import all_known
from provisioner.hosts.login import login
from provisioner.hosts.openssh import first_contact
from provisioner.observe.observation import Observation, observe
from provisioner.plan.fingerprint import Question, questions, that_count
from provisioner.plan.make import make_plan, voters
from provisioner.plan.scope import Scope
from provisioner.plan.steps import Plan
from provisioner.plan.versions import Moves, moves
from provisioner.state import fact_cache

#: A few hosts that answer nothing for so long after the others are called silent; a connection is waited for as long.
PATIENCE_SECONDS = 9.0


@dataclass(frozen=True)
class Look:
    """What was seen and what follows. `facts` are in Ansible's words; `witnesses` are what each host was asked, by component.

    `moving` says where a version changes.
    """

    plan: Plan
    seen: Observation
    facts: Mapping[str, Mapping[str, Any]]
    witnesses: Mapping[str, Mapping[str, Question]]
    unreachable: frozenset[str]
    moving: Moves


def glance(context: Context, console: Console, scope: Scope) -> tuple[Look | None, dict[str, UnreachableError]]:
    """The look of a cluster on which nothing is to be done, where it answers; None when something is, or when that can't be told at
    once.

    Where the facts of the last look are kept, each host is asked one question, over one connection: whether all is as it was applied
    under these facts, which it tells anew. Needs no lock: whoever changes a host has removed its notes before. Also gives the hosts
    that did not answer, with their errors: waiting for them once is enough. (One that votes concerns all: that is for a closer look.)
    """
    only = components(scope.only)
    limit = context.limited(scope.limit)
    cluster = context.cluster
    for warning in (*cluster.warnings, *_unmaintained(context)):
        console.warn(warning)
    console.say(f"looking at {len(limit or [h for h in cluster.hosts if not only or h.groups & {*only}])} hosts …")
    before = {} if scope.full else fact_cache.read(cluster)
    if set(before) < {h.name for h in cluster.hosts} or not all_known(cluster):
        return None, {}
    asked = questions(cluster, context.rendered, context.defaults, before, context.ledger.cluster_id, only)
    # A refused key locks no account, so only passwords are tried on one host first.
    lost = first_contact(cluster, [h for h in cluster.hosts if h.name in asked and login(h, cluster).password], context.transport)
    seen = observe(cluster, context.rendered, context.one_question, hosts=[*asked], components=only, sections=("facts", "health"),
                   witnesses=asked, silent=lost, patience=PATIENCE_SECONDS)
    silent = {name: UnreachableError(host.error, where=name, hint=host.hint) for name, host in seen.hosts.items() if not host.reachable}
    answers = {name: host for name, host in seen.hosts.items() if host.reachable}
    if silent.keys() & voters(cluster) or not all(host.facts for host in answers.values()):
        return None, silent
    facts = {name: to_ansible_facts(host.facts) for name, host in answers.items()}
    moving = moves(cluster, seen, wanted(context))
    plan = make_plan(cluster, context.rendered, seen, only=only, limit=limit, batch=scope.batch, moving=moving)
    if plan.steps or any(that_count(found) != that_count(before[name]) for name, found in facts.items()):
        return None, silent
    away = {name: error for name, error in silent.items() if not limit or name in limit}
    for error in away.values():
        console.warn(str(error))
    return Look(plan, seen, facts, {name: asked[name] for name in answers}, frozenset(away), moving), {}


def components(names: tuple[str, ...]) -> tuple[str, ...]:
    """The components that `--only` names. Raises UsageError for unknown ones."""
    for name in names:
        if name not in component_names():
            raise UsageError(f"--only: no component {name!r}", hint=f"one of {', '.join(component_names())}")
    return names


def wanted(context: Context) -> dict[str, str]:
    """The version of each role that has one, as the inventory or the catalogue says."""
    entries = {c.role: context.catalogue.find(c.role, context.version(c.role)) for c in COMPONENTS}
    return {role: entry.version for role, entry in entries.items() if entry}


def _unmaintained(context: Context) -> list[str]:
    found = []
    for name in sorted({c.role for c in COMPONENTS} | {"busybox"}):
        entry = context.catalogue.find(name, context.version(name))
        if entry and entry.maintained != "yes":
            who = "by nobody any more" if entry.maintained == "no" else "by one person only"
            found.append(f"{name} {entry.version} is maintained {who}: run it inside a closed network")
    return found
