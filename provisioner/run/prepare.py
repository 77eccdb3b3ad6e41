"""What happens before anything is changed: one list of phases, which `up`, `upgrade` and `plan` share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from provisioner.cluster.facts import to_ansible_facts
from provisioner.cluster.names import counted
from provisioner.components import COMPONENTS, component_names
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.hosts.host_keys import all_known, establish
from provisioner.inventory.render import host_variables
from provisioner.observe.observation import Observation, observe, observe_once
from provisioner.plan.assess import (
    Assessment,
    Facts,
    Questions,
    assess,
    converged,
    refuse_lost_voters,
    refuse_silence,
    refuse_unfit,
    tells_all,
    warnings,
    within,
)
from provisioner.plan.authentication import PROTECT, closing
from provisioner.plan.fingerprint import questions
from provisioner.plan.quorum import interruption
from provisioner.plan.scope import Scope
from provisioner.plan.versions import moves, refuse_bad_changes
from provisioner.state import fact_cache, ledger, secrets

if TYPE_CHECKING:
    from provisioner.plan.saved import SavedPlan
    from provisioner.run.lock import Lock


class Voice(Protocol):
    """How the user is told."""

    def say(self, text: str) -> None:
        """Progress or news."""

    def warn(self, text: str) -> None:
        """Something to know, though the command goes on."""


@dataclass(frozen=True)
class Preparation:
    """How far it has come. Each phase gives another one with what it has found out; `over` means that nothing is left to find out.

    `approved` is a plan that is to be followed exactly. What `resources` holds, the lock among it, lasts until all is done.
    """

    context: Context
    scope: Scope
    voice: Voice
    resources: ExitStack
    doing: str = ""
    approved: SavedPlan | None = None
    hosts: tuple[str, ...] = ()
    silent: Mapping[str, UnreachableError] = field(default_factory=dict)
    lock: Lock | None = None
    facts: Facts = field(default_factory=dict)
    questions: Questions = field(default_factory=dict)
    observation: Observation = field(default_factory=lambda: Observation({}))
    found: Assessment | None = None
    over: bool = False

    @property
    def assessment(self) -> Assessment:
        """What the phases came to."""
        if self.found is None:
            raise LookupError("no phase has assessed anything")
        return self.found

    @property
    def held(self) -> Lock:
        """The lock that a phase took."""
        if self.lock is None:
            raise LookupError("no phase has taken the lock")
        return self.lock


Phase = Callable[[Preparation], Preparation]


def check_scope(so_far: Preparation) -> Preparation:
    """Every component and host that is named exists. Raises UsageError."""
    for name in so_far.scope.only:
        if name not in component_names():
            raise UsageError(f"--only: no component {name!r}", hint=f"one of {', '.join(component_names())}")
    return replace(so_far, hosts=so_far.context.limited(so_far.scope.limit))


def follow_lock(so_far: Preparation) -> Preparation:
    """The lock beside the inventory fits it, as far as can be told without the hosts. Raises InventoryError."""
    so_far.context.refuse_unlocked()
    for system in so_far.context.following.without_packages:
        so_far.voice.warn(f"packages do not follow the lock on {system} yet, only with apt: its hosts get what their sources have")
    return so_far


def warn(so_far: Preparation) -> Preparation:
    """What the inventory, the catalogue and the ledger alone give reason to."""
    if wanted := so_far.context.switched:
        means = "nobody gets in without a password from then on ('provision credentials')" if wanted == "closed" else "anybody gets in then"
        so_far.voice.warn(f"this cluster becomes {wanted}, as cluster_access says: {means}")
    for text in (*so_far.context.warnings, *_unmaintained(so_far.context), *_rotating(so_far.context),
                 *filter(None, [so_far.context.authority_doubt])):
        so_far.voice.warn(text)
    return so_far


def warn_of_moved(so_far: Preparation) -> Preparation:
    """A name that has another address now: SSH follows it, the cluster does not."""
    for each in so_far.context.moved():
        so_far.voice.warn(f"{each.host.where}: {each.message}; {each.hint}")
    return so_far


def ask_once(so_far: Preparation) -> Preparation:
    """One question to each host, over one connection: is all as it was applied, under the facts of the last time? Then all is over.

    Needs no lock: whoever changes a host has removed its notes before. Hosts that do not answer are not waited for again.
    """
    context, cluster, only = so_far.context, so_far.context.cluster, so_far.scope.only
    if secrets.stages(cluster) or secrets.given_another(cluster):
        return so_far
    seen_by = so_far.hosts or [h for h in cluster.hosts if not only or h.groups & {*only}]
    so_far.voice.say(f"looking at {counted(len(seen_by), 'host')} …")
    before = {} if so_far.scope.full or so_far.approved else fact_cache.read(cluster)
    if set(before) < {h.name for h in cluster.hosts} or not all_known(cluster):
        return so_far
    asked = questions(cluster, context.rendered, context.defaults, before, context.ledger.cluster_id, only)
    seen = observe_once(cluster, context.rendered, context.transport, context.one_question, asked, only)
    silent = seen.silent()
    if not tells_all(cluster, seen):
        return replace(so_far, silent=silent)
    found = assess(cluster, context.rendered, seen, so_far.scope, hosts=so_far.hosts, facts=seen.facts(),
                   questions={name: own for name, own in asked.items() if name not in silent}, wanted=_wanted(context),
                   locked=_locked(context))
    if not converged(found, before):
        return replace(so_far, silent=silent)
    refuse_silence(cluster, so_far.hosts, silent)
    for name in within(so_far.hosts, silent):
        so_far.voice.warn(str(silent[name]))
    return replace(so_far, found=found, over=True)


def keep_identity(so_far: Preparation) -> Preparation:
    """Ids and secrets are saved before anything is made of them: another run would hand out others."""
    now, wanted = so_far.context.ledger, so_far.context.switched
    # Until the first change it is what it was, also if this run is refused.
    ledger.save(so_far.context.cluster, replace(now, access="open" if wanted == "closed" else "closed") if wanted else now)
    secrets.ensure(so_far.context.cluster, authority=False)
    return so_far


def take_authority(so_far: Preparation) -> Preparation:
    """One that the inventory gives begins to take the place of another: not before the hosts have answered, as it can't be taken back."""
    secrets.ensure(so_far.context.cluster)
    return so_far


def trust_hosts(so_far: Preparation) -> Preparation:
    """The keys of hosts that are new are shown and recorded; with `strict` they are refused. Raises UnreachableError."""
    establish(so_far.context.cluster, say=so_far.voice.say, strict=so_far.scope.strict)
    return so_far


def take_lock(so_far: Preparation) -> Preparation:
    """From here on nobody else changes this cluster. Raises LockedError, UnreachableError."""
    from provisioner.hosts.remote_process import HostProcess
    from provisioner.run.lock import Lock

    cluster = so_far.context.cluster
    lock = Lock(cluster, functools.partial(HostProcess, cluster), so_far.doing).acquire()
    return replace(so_far, lock=so_far.resources.enter_context(lock))


def inspect_hosts(so_far: Preparation) -> Preparation:
    """Preflight: what would fail later is refused now. Raises StepFailed, and UnreachableError when all hosts are silent, or one that a
    quorum needs.
    """
    from provisioner.observe.preflight import examine

    context, report = examine(so_far.context, hosts=so_far.hosts, silent=so_far.silent)
    for text in warnings(report):
        so_far.voice.warn(text)
    refuse_unfit(report, context.cluster)
    silent = {**so_far.silent, **report.unreachable}
    refuse_silence(context.cluster, so_far.hosts, silent)
    return replace(so_far, context=context, silent=silent,
                   facts={name: to_ansible_facts(found) for name, found in report.facts.items()})


def keep_facts(so_far: Preparation) -> Preparation:
    """With them the next run can ask its whole question at once."""
    fact_cache.keep(so_far.context.cluster, so_far.facts)
    return so_far


def observe_hosts(so_far: Preparation) -> Preparation:
    """What works, and what of all that was applied is still so.

    Every host is asked, also where the scope is limited to some: a component that changes in phases goes on when all of its members have
    arrived, agents' among them, and versions decide the order. One that was not asked would count as one that does not serve.
    """
    context, cluster = so_far.context, so_far.context.cluster
    asked = questions(cluster, context.rendered, context.defaults, so_far.facts, context.ledger.cluster_id, so_far.scope.only)
    seen = observe(cluster, context.rendered, context.transport, sections=("health",), applied=asked, silent=so_far.silent)
    return replace(so_far, questions=asked, observation=seen)


def check_versions(so_far: Preparation) -> Preparation:
    """No version is asked for that is known to lose data or to fail after the one that runs. Raises StepFailed."""
    if not so_far.scope.any_version:
        context = so_far.context
        refuse_bad_changes(moves(context.cluster, so_far.observation, _wanted(context), _locked(context)))
    return so_far


def decide(so_far: Preparation) -> Preparation:
    """The plan. Raises as `assess` does."""
    context = so_far.context
    found = assess(context.cluster, context.rendered, so_far.observation, so_far.scope, hosts=so_far.hosts, facts=so_far.facts,
                   questions=so_far.questions, wanted=_wanted(context), locked=_locked(context), rotating=secrets.stages(context.cluster))
    if told := interruption(found.plan, context.cluster, so_far.observation):
        so_far.voice.warn(told)
    return replace(so_far, found=found)


def refuse(so_far: Preparation) -> Preparation:
    """What only the whole plan shows: a voter that was lost meanwhile, a framework that it would end, a plan that no longer fits."""
    refuse_lost_voters(so_far.assessment, so_far.context.cluster)
    _refuse_shut_out(so_far)
    if so_far.approved:
        from provisioner.plan.saved import refuse_moved

        refuse_moved(so_far.approved, so_far.assessment)
    return so_far


# Phases import for themselves what a rerun with nothing to do, which ends with `ask_once`, would load in vain.

#: How a lock is taken.
LOCKING: tuple[Phase, ...] = (keep_identity, trust_hosts, take_lock)
#: What hosts are that can be trusted.
INSPECTING: tuple[Phase, ...] = (inspect_hosts, keep_facts)
#: From what they are to a plan.
PLANNING: tuple[Phase, ...] = (observe_hosts, check_versions, decide, refuse)
#: Both.
ASSESSING: tuple[Phase, ...] = (*INSPECTING, *PLANNING)
#: Before anything is changed.
TO_CHANGE: tuple[Phase, ...] = (check_scope, follow_lock, warn, ask_once, *LOCKING, warn_of_moved, *INSPECTING, take_authority, *PLANNING)
#: The same for a command that holds the lock already.
UNDER_LOCK: tuple[Phase, ...] = (check_scope, follow_lock, warn, ask_once, *ASSESSING)
#: For one stage of several, under a lock that is held.
STAGE: tuple[Phase, ...] = ASSESSING
#: Before secrets are rotated: as before any change, but that a cluster with nothing to do is no reason to end.
TO_ROTATE: tuple[Phase, ...] = (check_scope, follow_lock, warn, *LOCKING, warn_of_moved, *INSPECTING, take_authority, *PLANNING)
#: Before a plan is only shown: no lock, and no ids and secrets handed out.
TO_SHOW: tuple[Phase, ...] = (check_scope, follow_lock, warn, warn_of_moved, ask_once, trust_hosts, *ASSESSING)
#: The same before it is kept in a file, as ids and secrets are part of what is planned.
TO_KEEP: tuple[Phase, ...] = (check_scope, follow_lock, warn, warn_of_moved, keep_identity, ask_once, trust_hosts, *INSPECTING,
                                take_authority, *PLANNING)


@contextmanager
def prepared(context: Context, voice: Voice, scope: Scope, phases: Sequence[Phase] = TO_CHANGE, *, doing: str = "",
             approved: SavedPlan | None = None) -> Iterator[Preparation]:
    """Go through the phases until one finds that all is over. The lock is held while this lasts; `doing` is what others read of it."""
    with ExitStack() as resources:
        so_far = Preparation(context, scope, voice, resources, doing, approved)
        for phase in phases:
            if not so_far.over:
                so_far = phase(so_far)
        yield so_far


@contextmanager
def locked(context: Context, voice: Voice, doing: str, *, strict: bool = False, as_built: bool = True) -> Iterator[Lock]:
    """The cluster is ours while this lasts. With `strict` unknown host keys are refused; with `as_built`, a cluster that is to be closed or
    opened, as everything is rendered for what it is not yet. Raises LockedError, UnreachableError and StepFailed.
    """
    if as_built and (wanted := context.switched):
        raise StepFailed(f"nothing was changed: this cluster is to become {wanted}, as cluster_access says, and that comes first",
                         where=str(context.path), hint="'provision up', then the same command again")
    with prepared(context, voice, Scope(strict=strict), LOCKING, doing=doing) as so_far:
        yield so_far.held


def _refuse_shut_out(so_far: Preparation) -> None:
    """StepFailed when a plan would end a framework of somebody else: Mesos never lets one take on a principal later, or another user."""
    steps = so_far.assessment.plan.steps
    rights = closing(steps, so_far.context.rendered, so_far.observation)
    if not rights and not any(step.verb == PROTECT for step in steps):
        return
    from provisioner.hosts.remote_calls import RemoteCalls
    from provisioner.observe.workload import Workload

    context = so_far.context
    work = Workload(context.cluster, context.rendered, RemoteCalls(context.transport))
    names = work.without_principal()
    if names:
        raise StepFailed(f"nothing was changed: {', '.join(names)} registered without a principal and would stop when credentials are "
                         "required, leaving its tasks orphaned", hint="stop it and start it with a principal, as a new framework")
    if rights and (so_far.scope.only or so_far.scope.limit):
        raise UsageError("closing the cluster concerns every host that asks for its state", hint="leave out --only and --limit")
    if rights and (denied := work.denied(rights)):
        raise StepFailed(f"nothing was changed: {'; '.join(denied)}, which a closed cluster denies", hint="allow it in the inventory: the "
                         "users of tasks by mesos_task_users, as a framework keeps the one it registered with; others' frameworks by "
                         "mesos_principals")


def _wanted(context: Context) -> dict[str, str]:
    """The version of each role that has one, as the inventory or the catalogue says."""
    entries = {c.role: context.catalogue.find(c.role, context.version(c.role)) for c in COMPONENTS}
    return {role: entry.version for role, entry in entries.items() if entry}


def _locked(context: Context) -> dict[str, dict[str, str]]:
    """By host and role, the version of a role's packages that the lock names."""
    if not context.lock:
        return {}
    roles = {c.role: f"{c.role}_locked" for c in COMPONENTS}
    told = {h.name: host_variables(context.rendered, h.name) for h in context.cluster.hosts}
    return {host: {role: next(iter(own[name].values())) for role, name in roles.items() if own.get(name)} for host, own in told.items()}


def _rotating(context: Context) -> list[str]:
    found = secrets.stages(context.cluster)
    if not found and secrets.given_another(context.cluster):
        return ["the inventory has another authority than the cluster: 'provision up' puts it in its place, in three stages, in each of "
                "which services restart one after the other"]
    return [f"a rotation is under way ({', '.join(sorted(found))}), which a whole 'provision up' completes"] if found else []


def _unmaintained(context: Context) -> list[str]:
    found = []
    for name in sorted({c.role for c in COMPONENTS} | {"busybox"}):
        entry = context.catalogue.wanted(name, context.cluster.variables)
        if entry and entry.maintained != "yes":
            state = "no longer maintained" if entry.maintained == "no" else "maintained by one person only"
            found.append(f"{name} {entry.version} is {state}: run it inside a closed network")
    return found
