"""Taking secrets that are being replaced through the stages that are left: each is an ordinary run, the last proves that all is over."""

from __future__ import annotations

import difflib
import fnmatch
import json
from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.cluster.names import counted, no_answer
from provisioner.components import COMPONENTS
from provisioner.components.rotation import NEXT, OLD, Rotation, rotations
from provisioner.console import Console, summary
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.plan.scope import Scope
from provisioner.run.engine import Result
from provisioner.run.execute import execute
from provisioner.run.lock import Lock
from provisioner.run.prepare import STAGE, TO_ROTATE, prepared
from provisioner.run.settled import await_back
from provisioner.state import secrets
from provisioner.verbs.shared.confirm import confirm

#: What is said of a stage.
SAID = {NEXT: "the new value is introduced beside the old one", OLD: "the new value is used; the old one still counts where both can"}

#: Where the names are to be found.
NAMES = "'provision secrets list' has the names, such as authority, in its column 'rotated as'"


def complete(context: Context, console: Console, held: Lock, *, batch: str) -> Result:
    """Do what each stage asks for until nothing is being rotated; gives the counts of all of them.

    The stage goes on only when every host has taken it: one that is away would be locked out. Raises UnreachableError, and as a run does.
    """
    changed, seconds = 0, 0.0
    while under_way := secrets.stages(context.cluster):
        for stage in dict.fromkeys(under_way.values()):
            console.say(f"{', '.join(sorted(n for n, s in under_way.items() if s == stage))}: {SAID[stage]}")
        done = _stage(context, console, held, batch)
        changed, seconds = changed + done.changed, seconds + done.seconds
        secrets.advance(context.cluster)
    last = _stage(context, console, held, batch)
    return Result(context.cluster.name, changed=changed + last.changed, seconds=seconds + last.seconds)


def go_on(context: Context, console: Console, held: Lock, result: Result, scope: Scope) -> Result | None:
    """After an `up`: the stage that it brought about is over when it concerned everything. None where nothing is being rotated."""
    names = sorted(secrets.stages(context.cluster))
    if not names:
        return None
    if scope.only or scope.limit or result.unreachable:
        console.warn(f"{', '.join(names)}: not completed, as not every host was told: run 'provision up' when all of them answer")
        return None
    secrets.advance(context.cluster)
    return complete(context, console, held, batch=scope.batch)


def _refuse_lost(result: Result) -> None:
    """UnreachableError where a host went away meanwhile: without its word the stage is not over."""
    if result.unreachable:
        raise UnreachableError(f"the rotation waits: {no_answer(sorted(result.unreachable))} and would be locked out",
                               hint="bring them back, or take them out with 'provision remove'; then 'provision up' completes it")


def _stage(context: Context, console: Console, held: Lock, batch: str) -> Result:
    with prepared(context, console, Scope(batch=batch), STAGE) as ready:
        found = ready.assessment
        if found.unreachable:
            raise UnreachableError(f"the rotation waits: {no_answer(sorted(found.unreachable))} and would be locked out",
                                   hint="bring them back, or take them out with 'provision remove'; then 'provision up' completes it")
        if not found.plan.steps:
            return Result(context.cluster.name)
        console.plan(found.plan)
        result = execute(context, console, found.plan, held, facts=found.facts, questions=found.questions)
        _refuse_lost(result)
        await_back(context, found.observation, found.plan)
        console.say(summary(result))
        return result


def run_rotate(context: Context, console: Console, names: Sequence[str], *, every: bool, batch: str, yes: bool) -> Result:
    """New values for these, or for all. A rotation that was cut off is completed first.

    Raises UsageError for what can't be, StepFailed where something else is to be done first, UnreachableError, and as a run does.
    """
    chosen = chosen_of(names, every=every)
    refused = {name: why for name, each in chosen.items() if (why := why_not(context, each))}
    if refused and not every:
        others = [name for name in chosen if name not in refused]
        raise UsageError("; ".join(f"{name} can't be rotated: {why}" for name, why in refused.items()),
                         hint=f"the others can: provision secrets rotate {' '.join(others)}" if others else "")
    for name, why in refused.items():
        console.warn(f"{name} is left out: {why}")
    wanted = {name: each for name, each in chosen.items() if name not in refused}
    secrets.load(context.cluster)
    with prepared(context, console, Scope(batch=batch), TO_ROTATE, doing=f"rotate {', '.join(wanted)}") as ready:
        context, found, begun = ready.context, ready.assessment, secrets.stages(context.cluster)
        if found.unreachable:
            raise UnreachableError(f"nothing was changed: {no_answer(sorted(found.unreachable))} and would be locked out",
                                   hint="bring them back, or take them out with 'provision remove'")
        if found.plan.steps and not begun:
            raise StepFailed("nothing was changed: the cluster is not as its inventory says, and two changes at once can't be told apart",
                             hint="run 'provision up', then the same command again")
        if begun:
            console.say(f"first the rotation that is under way: {', '.join(sorted(begun))}")
        console.say("new values for")
        for name, each in wanted.items():
            console.say(f"  {name} ({', '.join(concerned(context, each))}): {each.felt}")
        confirm(f"Rotate {counted(len(wanted), 'secret')} of {context.cluster.name}?", yes=yes)
        done = [complete(context, console, ready.held, batch=batch)] if begun else []
        rest = {name: each for name, each in wanted.items() if name not in begun}
        for part in (False, True):
            together = [each for each in rest.values() if each.alone is part]
            if together:
                secrets.begin(context.cluster, together)
                done.append(complete(context, console, ready.held, batch=batch))
    result = Result(context.cluster.name, changed=sum(r.changed for r in done), seconds=sum(r.seconds for r in done))
    console.say(f"rotated: {', '.join(wanted)}; {summary(result)}")
    return result


def chosen_of(names: Sequence[str], *, every: bool) -> dict[str, Rotation]:
    """Those that are named, also by the name of one of their secrets or by a pattern. Raises UsageError for what there is not."""
    known = {name: each for name, (_, each) in rotations().items()}
    if every or not names:
        if names and every:
            raise UsageError("--all and names exclude each other", hint=f"provision secrets rotate {' '.join(names)}, or --all alone")
        if not every:
            raise UsageError("name what is to be rotated, or say --all", hint=NAMES)
        return known
    by_secret = {variable: name for name, each in known.items() for secret in each.secrets for variable in (secret, f"vault_{secret}")}
    found = {}
    for asked in names:
        if like := fnmatch.filter(known, asked):
            found.update({name: known[name] for name in like})
            continue
        name = by_secret.get(asked, "")
        if not name:
            like = difflib.get_close_matches(asked, [*known, *by_secret], n=1)
            raise UsageError(f"no secret {asked!r}" + (f": did you mean {like[0]!r}?" if like else ""), hint=NAMES)
        found[name] = known[name]
    return found


def why_not(context: Context, each: Rotation) -> str:
    """Why this cluster's can't be rotated; '' where it can."""
    if secrets.AUTHORITY_KEY in each.variables and context.cluster.variables.get("cluster_ca_key"):
        return "the inventory gives it; write another cluster_ca_certificate and cluster_ca_key there, and 'provision up' does the rest"
    if each.closed and context.ledger.access != "closed":
        return f"{each.closed}; 'cluster_access: closed' in the inventory and 'provision up' close it"
    return ""


def concerned(context: Context, each: Rotation) -> list[str]:
    """The titles of the components that are told of it, or of what follows from it (the digest of a password)."""
    stems = [variable.removesuffix("_password") for variable in each.variables]
    every = context.rendered["all"]
    shared = _naming(every["vars"], stems)
    found = set()
    for host in context.cluster.hosts:
        named = shared | _naming(every["hosts"][host.name], stems)
        found |= {c.name for c in COMPONENTS if c.name in host.groups and any(key.startswith(f"{c.role}_") for key in named)}
    return [c.title for c in COMPONENTS if c.name in found]


def _naming(variables: Mapping[str, Any], stems: Sequence[str]) -> set[str]:
    """The variables that refer to one of these secrets."""
    texts = {key: json.dumps(value, default=str) for key, value in variables.items()}
    return {key for key, text in texts.items() if any(stem in text for stem in stems)}
