"""From what the hosts answered to what is to be done and why. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provisioner.cluster.model import Cluster
from provisioner.cluster.names import host_list, no_answer
from provisioner.errors import StepFailed, UnreachableError
from provisioner.observe.observation import Observation
from provisioner.plan.fingerprint import Question, that_count
from provisioner.plan.make import make_plan, voters
from provisioner.plan.scope import Scope
from provisioner.plan.steps import Plan
from provisioner.plan.versions import Moves, moves

if TYPE_CHECKING:
    from provisioner.observe.preflight.report import Finding, Report

#: What is known of hosts, by host and name, in Ansible's words.
Facts = Mapping[str, Mapping[str, Any]]
#: What each host is asked about each component it runs.
Questions = Mapping[str, Mapping[str, Question]]


@dataclass(frozen=True)
class Assessment:
    """What follows from an observation: `plan`, without the hosts that did not answer; where a version changes (`moves`).

    `facts` and `questions` are those under which the hosts were asked; `unreachable` are the hosts that should have answered.
    """

    plan: Plan
    observation: Observation
    facts: Facts
    questions: Questions
    unreachable: frozenset[str]
    moves: Moves


def assess(cluster: Cluster, rendered: Mapping[str, Any], observation: Observation, scope: Scope, *, hosts: Collection[str], facts: Facts,
           questions: Questions, wanted: Mapping[str, str], rotating: Mapping[str, str] | None = None,
           locked: Mapping[str, Mapping[str, str]] | None = None) -> Assessment:
    """Make the plan. `hosts` are those that the scope is limited to, all when empty; `wanted` is the version of each role, `locked`
    that which a lock names on a host, `rotating` the stage of each rotation that is under way.

    Raises UsageError and StepFailed when something can't be done as it is asked for, or only with loss.
    """
    moving = moves(cluster, observation, wanted, locked)
    silent = observation.silent()
    plan = make_plan(cluster, rendered, observation, only=scope.only, limit=hosts, full=scope.full, batch=scope.batch, moving=moving,
                     rotating=rotating or {})
    return Assessment(plan.without(silent), observation, facts, questions, frozenset(within(hosts, silent)), moving)


def within(hosts: Collection[str], names: Iterable[str]) -> tuple[str, ...]:
    """Those that a scope is limited to; all when it is not."""
    return tuple(name for name in names if not hosts or name in hosts)


def tells_all(cluster: Cluster, observation: Observation) -> bool:
    """Can it be said of such an answer to one question whether anything is to be done? Not while a host that votes is silent."""
    return not (observation.silent().keys() & voters(cluster)) and all(host.facts for host in observation.hosts.values() if host.reachable)


def converged(found: Assessment, before: Facts) -> bool:
    """Nothing is to be done. The hosts compared digests that were made of the facts `before`: under others they prove nothing."""
    return not found.plan.steps and all(that_count(own) == that_count(before[name]) for name, own in found.facts.items())


def warnings(report: Report) -> Iterator[str]:
    """What a preflight found that can be lived with."""
    return _lines(f for f in report.findings if f.severity == "warn")


def refuse_unfit(report: Report, cluster: Cluster) -> None:
    """StepFailed when a host is not fit, UnreachableError when one that a quorum needs does not answer."""
    lost = sorted(voters(cluster) & set(report.unreachable))
    failures = [f for f in report.findings if f.severity == "fail" and (f.host not in report.unreachable or f.host in lost)]
    if not failures:
        return
    text = "\n".join(_lines(failures, hints=True))
    if lost:
        raise UnreachableError(f"nothing was changed, because hosts that a quorum needs do not answer:\n{text}")
    raise StepFailed(f"nothing was changed, because the hosts are not fit:\n{text}", hint="fix these, then run 'provision up' again")


def refuse_silence(cluster: Cluster, hosts: Collection[str], silent: Mapping[str, UnreachableError]) -> None:
    """UnreachableError when not one of the hosts that a scope is limited to answers: nothing is known, also not that all is well."""
    asked = [host.name for host in cluster.hosts if not hosts or host.name in hosts]
    if asked and silent.keys() >= {*asked}:
        first = silent[asked[0]]
        raise UnreachableError(f"nothing was done: {no_answer(asked)}: {first.message}", hint=first.hint or "provision preflight")


def refuse_lost_voters(found: Assessment, cluster: Cluster) -> None:
    """UnreachableError when a host that a quorum needs has stopped answering since the preflight."""
    lost = sorted(found.unreachable & voters(cluster))
    if lost:
        error = found.observation.hosts[lost[0]].error
        raise UnreachableError(f"nothing was changed, because {', '.join(lost)}, which a quorum needs, no longer answers: {error}",
                               where=lost[0], hint="bring it back, then run the same command again")


def _lines(findings: Iterable[Finding], *, hints: bool = False) -> Iterator[str]:
    """One line for each thing that was found; where it is the same on several hosts, as the first of them has it."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for found in findings:
        own_name = re.compile(rf"(?<!\w){re.escape(found.host)}(?!\w)")
        alike.setdefault((found.check, own_name.sub("", found.message), own_name.sub("", found.hint)), []).append(found)
    for first, *others in alike.values():
        same = f"; the same on {host_list([f.host for f in others])}" if others else ""
        yield f"{first.host}: {first.message}{same}" + (f"\n    → {first.hint}" if hints and first.hint else "")
