"""Executes a plan, step by step, through Ansible. Owns when to go on and when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from provisioner.adapters.ansible import Event, Outcome, Playbooks
from provisioner.errors import StepFailed, UnreachableError
from provisioner.journal import Journal
from provisioner.plan import Plan, Step


class Progress(Protocol):
    """What a run shows while it goes on."""

    def step(self, number: int, total: int, step: Step) -> None:
        """A step begins."""

    def event(self, event: Event) -> None:
        """Something happened in the step."""

    def done(self, step: Step, outcome: Outcome, seconds: float) -> None:
        """The step is over."""


@dataclass
class Result:
    """Counts of a whole run: tasks changed and failed, hosts not reached."""

    cluster: str
    changed: int = 0
    failed: int = 0
    unreachable: set[str] = field(default_factory=set)
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The last line of `up --json`."""
        return {"cluster": self.cluster, "changed": self.changed, "failed": self.failed,
                "unreachable": len(self.unreachable), "seconds": round(self.seconds, 1)}


#: Asks a host for the last lines of a unit's journal.
UnitLog = Callable[[str, str], str]


class Engine:
    """Runs the steps of a plan in order and stops at the first that fails."""

    def __init__(self, playbooks: Playbooks, journal: Journal, progress: Progress, unit_log: UnitLog) -> None:
        self._playbooks = playbooks
        self._journal = journal
        self._progress = progress
        self._unit_log = unit_log

    def up(self, plan: Plan, result: Result) -> None:
        """Execute; `result` is filled as it goes.

        Raises StepFailed with host, module message and the unit's last lines; UnreachableError when a host that shares
        a quorum is lost. Hosts lost elsewhere are left out of what follows and listed in the result.
        """
        begin = time.monotonic()
        try:
            for number, step in enumerate(plan.steps, 1):
                self._step(number, plan, step, result)
        finally:
            result.seconds = time.monotonic() - begin
            self._journal.record("end", **result.as_json())

    def _step(self, number: int, plan: Plan, step: Step, result: Result) -> None:
        hosts = tuple(h for h in step.hosts if h not in result.unreachable)
        if not hosts:
            return
        begin = time.monotonic()
        self._journal.record("step", component=step.component.name, hosts=hosts, batch=step.batch)
        self._progress.step(number, len(plan.steps), step)
        outcome = self._playbooks.play("up", _variables(step, hosts), self._progress.event)
        result.changed += outcome.changed
        result.failed += len(outcome.failures)
        result.warnings += [w for w in outcome.warnings if w not in result.warnings]
        lost = {str(e["host"]) for e in outcome.unreachable}
        result.unreachable |= lost
        self._journal.record("step-done", component=step.component.name, changed=outcome.changed_tasks,
                             failed=[f"{e['host']}: {e['task']}" for e in outcome.failures], unreachable=sorted(lost))
        self._progress.done(step, outcome, time.monotonic() - begin)
        if outcome.failures:
            raise self._failure(step, outcome.failures)
        if lost and (step.all_or_none or lost & plan.voters):
            raise UnreachableError(
                f"{', '.join(sorted(lost))} went away while {step.component.title} was brought up; nothing further was touched",
                hint="bring the host back, look at 'provision status', then run 'provision up' again",
            )

    def _failure(self, step: Step, failures: list[Event]) -> StepFailed:
        first = failures[0]
        host, unit = str(first["host"]), step.component.unit
        text = f"{step.component.title}: {first['task']}\n{first['message']}"
        if unit and unit not in str(first["message"]):
            text += f"\nlast lines of {unit} on {host}:\n{self._unit_log(host, unit)}"
        others = sorted({str(e["host"]) for e in failures} - {host})
        if others:
            text += f"\nfailed also on {', '.join(others)}"
        return StepFailed(text, where=host, hint=f"mend the cause and run 'provision up' again; the whole log: {self._journal.folder}")


def _variables(step: Step, hosts: tuple[str, ...]) -> Mapping[str, Any]:
    return {
        "component_name": step.component.name,
        "component_role": step.component.role,
        "component_hosts": ",".join(hosts),
        "component_batch": step.batch or "100%",
        "component_all_or_none": step.all_or_none,
    }
