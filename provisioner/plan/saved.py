"""A plan in a file: what was looked at and approved is what `up --plan` does, or nothing."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from provisioner import __version__
from provisioner.errors import StepFailed, UsageError
from provisioner.plan.assess import Assessment, Questions
from provisioner.plan.scope import Scope, share
from provisioner.plan.steps import Plan, Step
from provisioner.state.files import write_private

FORMAT = 2
MAKE_ONE = "'provision plan --out FILE' writes one"
#: Shapes no plan: it belongs to the command that is run now.
NOT_SAVED = "strict"


@dataclass(frozen=True)
class SavedPlan:
    """What a file holds. `steps` and `desired` are as `_steps` and `_digest` make them; `scope` is how far this plan goes."""

    path: Path
    cluster: str
    scope: Scope
    steps: tuple[str, ...]
    desired: str


def save(path: Path, found: Assessment, scope: Scope) -> None:
    """Write this plan, readable by the owner only. Raises UsageError."""
    content = {"format": FORMAT, "provision": __version__, "cluster": found.plan.cluster,
               "options": _shaping(scope),
               "steps": _steps(found.plan), "desired": _digest(found.questions)}
    write_private(path, (json.dumps(content, indent=1) + "\n").encode())


def recall(path: Path, given: Scope) -> SavedPlan:
    """Read a file that `save` wrote. Raises UsageError for another file, or when the options given now limit it in their own way."""
    default = _shaping(Scope())
    own = [f"--{name.replace('_', '-')}" for name, value in _shaping(given).items() if value != default[name]]
    if own:
        raise UsageError(f"{', '.join(own)} can't be given with --plan", hint="the plan was made with its own options; make another one")
    try:
        content = json.loads(path.read_text())
        options = content["options"]
        known = content["format"] == FORMAT and set(options) == set(default) and _typed(options)
        scope = Scope(**{**options, "only": tuple(options["only"]), NOT_SAVED: given.strict})
        saved = SavedPlan(path, str(content["cluster"]), scope, tuple(map(str, content["steps"])), str(content["desired"]))
    except OSError as error:
        raise UsageError(f"the plan can't be read: {error.strerror}", where=str(path), hint=MAKE_ONE) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        known = False
    if not known:
        raise UsageError("this is not a plan of this version of provision", where=str(path), hint=MAKE_ONE)
    share(scope.batch, 1)
    return saved


def refuse_moved(saved: SavedPlan, found: Assessment) -> None:
    """StepFailed when what would be done now is not, step by step, what the file says."""
    now = _steps(found.plan)
    if saved.cluster == found.plan.cluster and list(saved.steps) == now and saved.desired == _digest(found.questions):
        return
    moved = [line for line in difflib.unified_diff(saved.steps, now, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]
    why = "\n".join(moved) or "the steps are the same, but the inventory, the roles or a secret changed what they bring about"
    if saved.cluster != found.plan.cluster:
        why = f"it was made for cluster {saved.cluster}, this is {found.plan.cluster}"
    raise StepFailed(f"nothing was changed: the plan no longer applies (- planned, + now):\n{why}", where=str(saved.path),
                     hint="make and look at a new one: 'provision plan --out FILE'")


def _shaping(scope: Scope) -> dict[str, Any]:
    """What of a scope shapes a plan. A command's own options, which are a scope and more, do not."""
    return {field.name: getattr(scope, field.name) for field in fields(Scope) if field.name != NOT_SAVED}


def _typed(options: Mapping[str, Any]) -> bool:
    """Is each option of the type that the command line would give it?"""
    return (isinstance(options["only"], list) and all(isinstance(name, str) for name in options["only"])
            and isinstance(options["limit"], str | None) and isinstance(options["batch"], str)
            and all(isinstance(options[name], bool) for name in ("full", "any_version")))


def _steps(plan: Plan) -> list[str]:
    """A line for each step; a new leader changes none, because who leads is asked anew before each step."""
    return [_line(step) for step in plan.steps]


def _line(step: Step) -> str:
    hosts = sorted(step.hosts) if step.batch == 1 else step.hosts
    told = f" with {json.dumps(dict(step.variables), sort_keys=True)}" if step.variables else ""
    how = f"{step.batch or len(hosts)} at a time" + (", if needed" if step.if_needed else "") + (", alongside" if step.alongside else "")
    return f"{step.verb} {step.component.name} on {', '.join(hosts)}, {how}{told}" + (f": {step.why}" if step.why else "")


def _digest(questions: Questions) -> str:
    """What every host is to have: its roles, variables, pins and secrets are in the digests that the questions carry."""
    return hashlib.sha256(json.dumps(questions, sort_keys=True).encode()).hexdigest()
