"""Executes a plan, step by step. Owns when to go on and when to stop; what is done, and by which verb, only the plan says."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from provisioner.cluster.names import host_list
from provisioner.errors import ProvisionError, StepFailed, UnreachableError
from provisioner.plan.steps import Plan, Step
from provisioner.run.outcome import Event, Executor, Outcome, Together
from provisioner.state.journal import Journal


@dataclass(frozen=True)
class Result:
    """Counts of a whole run: tasks changed and failed, hosts not reached."""

    cluster: str
    changed: int = 0
    failed: int = 0
    unreachable: frozenset[str] = frozenset()
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def plus(self, outcome: Outcome) -> Result:
        """With one step more."""
        news = tuple(w for w in outcome.warnings if w not in self.warnings)
        return replace(self, changed=self.changed + outcome.changed, failed=self.failed + len(outcome.failures),
                       unreachable=self.unreachable | _lost(outcome), warnings=self.warnings + news)

    def as_json(self) -> dict[str, Any]:
        """The last line of `up --json`."""
        return {"cluster": self.cluster, "changed": self.changed, "failed": self.failed,
                "unreachable": len(self.unreachable), "seconds": round(self.seconds, 1)}


class RunFailed(StepFailed):
    """A task failed; `result` counts what was done until then."""

    def __init__(self, message: str, result: Result, *, where: str, hint: str) -> None:
        self.result = result
        super().__init__(message, where=where, hint=hint)


class Progress(Protocol):
    """What a run shows while it goes on."""

    def step(self, number: int, total: int, step: Step) -> None:
        """A step begins."""

    def event(self, step: Step, event: Event) -> None:
        """Something happened in a step that goes on."""

    def done(self, step: Step, outcome: Outcome, seconds: float) -> None:
        """The step is over."""

    def skipped(self, number: int, total: int, step: Step, why: str) -> None:
        """A step is left out."""

    def end(self, result: Result) -> None:
        """The run is over, whatever ended it."""


class Members(Protocol):
    """The members of a step that is done one host at a time, as they are now."""

    def now(self, step: Step) -> tuple[Sequence[str], frozenset[str]]:
        """Its hosts in the order that is best now, and those on which its component serves; nobody only where that lasts."""

    def missing(self, step: Step, expected: frozenset[str]) -> frozenset[str]:
        """Those of `expected` on which it does not serve, when that has been so for a while and not only for an election."""


#: Asks a host for the last lines of a unit's journal.
UnitLog = Callable[[str, str], str]
#: Says of a host whether the condition of a step holds there. Raises StepFailed where it does, but the step would do harm.
Condition = Callable[[str], bool]


@dataclass(frozen=True)
class World:
    """What the engine acts on and asks, as interfaces.

    `executors` carry out the steps, by verb, `together` several that go side by side; `conditions` are those of steps that are done only
    if needed, by name. `still_ours` is asked before anything is done, with what that is; it raises LockedError when the cluster is no
    longer ours to change, StoppedError when the run is to stop. `members` are asked before each step that rolls, as who leads may have
    changed since the plan was made, and before each further host of it: one that served and no longer does ends the run before the next
    one is touched.
    """

    executors: Mapping[str, Executor]
    together: Together
    conditions: Mapping[str, Condition]
    members: Members
    unit_log: UnitLog
    still_ours: Callable[[str], None]


class Engine:
    """Runs the steps of a plan in order, adds none, and stops at the first that fails; those that go side by side with it end first.

    The journal gets the plan, then, with the step's number: `step` when something begins (a step that rolls: for each of its hosts),
    `step-done` when it is over, `skip` for a step that is left out.
    """

    def __init__(self, world: World, journal: Journal, progress: Progress) -> None:
        self._world = world
        self._journal = journal
        self._progress = progress

    def run(self, plan: Plan, unreachable: frozenset[str] = frozenset()) -> Result:
        """Execute; hosts in `unreachable` were left out of the plan and count as not reached.

        Raises RunFailed with host, module message and the unit's last lines; UnreachableError when a host that shares a quorum is lost.
        Hosts lost elsewhere are left out of what follows and listed in the result. Whatever ends it, `Progress.end` gets the result.
        """
        running = _Run(self._world, self._journal, self._progress, plan, Result(plan.cluster, unreachable=unreachable))
        self._journal.record("plan", steps=[step.as_json() for step in plan.steps])
        try:
            for stage in plan.stages():
                running.stage(stage)
        finally:
            result = running.so_far()
            self._journal.record("end", **result.as_json())
            self._progress.end(result)
        return result


class _Run:
    """One plan on its way."""

    def __init__(self, world: World, journal: Journal, progress: Progress, plan: Plan, result: Result) -> None:
        self._world = world
        self._journal = journal
        self._progress = progress
        self._plan = plan
        self._begin = time.monotonic()
        self._needed: dict[tuple[str, str], bool] = {}
        self._result = result

    def so_far(self) -> Result:
        """The counts of what is done."""
        return replace(self._result, seconds=time.monotonic() - self._begin)

    def stage(self, stage: Mapping[int, Step]) -> None:
        """Do these steps, by their numbers, at the same time, each where it is needed, or say why it is left out."""
        todo = dict[int, Step]()
        for number, step in stage.items():
            reached = tuple(h for h in step.hosts if h not in self._result.unreachable)
            hosts = tuple(h for h in reached if self._is_needed(step, h))
            if hosts:
                todo[number] = replace(step, hosts=hosts)
            else:
                self._skip(number, step, "not needed" if reached else "not reached")
        if len(todo) > 1:
            self._do(todo)
        for number, step in todo.items() if len(todo) == 1 else ():
            if step.rolls:
                self._roll(number, step)
            else:
                self._do({number: step})

    def _is_needed(self, step: Step, host: str) -> bool:
        key = step.if_needed, host
        if step.if_needed and key not in self._needed:
            self._needed[key] = self._world.conditions[step.if_needed](host)
        return not step.if_needed or self._needed[key]

    def _skip(self, number: int, step: Step, why: str) -> None:
        self._journal.record("skip", number=number, verb=step.verb, component=step.component.name, hosts=step.hosts, why=why)
        self._progress.skipped(number, len(self._plan.steps), step, why)

    def _roll(self, number: int, step: Step) -> None:
        """One host after the other, with a look at all others in between; all together where the plan says so and none serves."""
        order, serving = self._world.members.now(step)
        if step.together_if_none_serves and not serving:
            self._do({number: replace(step, batch=0)})
            return
        hosts = [h for h in order if h in step.hosts]
        for place, host in enumerate(hosts):
            missing = self._world.members.missing(step, serving - {host}) if place else frozenset()
            if missing:
                raise StepFailed(
                    f"stopped before {host}: {step.component.title} no longer works on {host_list(sorted(missing))}; "
                    f"done: {host_list(hosts[:place])}; not touched: {host_list(hosts[place:])}", where=min(missing),
                    hint="bring it back ('provision status' says what is wrong), then run the same command again",
                )
            self._do({number: replace(step, hosts=(host,))})
            serving |= {host}

    def _do(self, stage: Mapping[int, Step]) -> None:
        """One step, or several side by side. What went wrong in one is raised when all have ended."""
        begin, numbers, steps = time.monotonic(), [*stage], [*stage.values()]
        outcomes = dict[int, Outcome]()
        for step in steps:
            self._world.still_ours(f"{step.title} on {host_list(step.hosts)}")
        for number, step in stage.items():
            self._begin_step(number, step)

        def over(place: int, outcome: Outcome) -> None:
            outcomes[place] = outcome
            self._end_step(numbers[place], steps[place], outcome, time.monotonic() - begin)

        try:
            if len(steps) == 1:
                step = steps[0]
                over(0, self._world.executors[step.verb](step, step.hosts, functools.partial(self._progress.event, step)))
            else:
                self._world.together(steps, lambda place, event: self._progress.event(steps[place], event), over)
        except ProvisionError as error:
            broken = sorted({*range(len(steps))} - {*outcomes})
            for place in broken:
                self._journal.record("step-done", **_about(numbers[place], steps[place]), changed=[], failed=[str(error)], unreachable=[])
            self._judge(steps, outcomes, broken=[steps[place] for place in broken])
            raise
        self._judge(steps, outcomes)

    def _begin_step(self, number: int, step: Step) -> None:
        self._progress.step(number, len(self._plan.steps), step)
        reasons = {host: step.reasons[host] for host in step.hosts if host in step.reasons}
        self._journal.record("step", **_about(number, step), hosts=step.hosts, batch=step.batch, reasons=reasons)

    def _end_step(self, number: int, step: Step, outcome: Outcome, seconds: float) -> None:
        self._result = self._result.plus(outcome)
        self._journal.record("step-done", **_about(number, step), changed=outcome.changed_tasks,
                             failed=[f"{e['host']}: {e['task']}" for e in outcome.failures], unreachable=sorted(_lost(outcome)))
        self._progress.done(step, outcome, seconds)

    def _judge(self, steps: Sequence[Step], outcomes: Mapping[int, Outcome], broken: Sequence[Step] = ()) -> None:
        """Raises what the outcomes have to say against going on; `broken` are steps beside them that have none."""
        failed = [(steps[place], outcome.failures) for place, outcome in sorted(outcomes.items()) if outcome.failures]
        if failed:
            raise self._failure(*failed[0], beside=[*(step for step, _ in failed[1:]), *broken])
        for place, step in enumerate(steps):
            lost = _lost(outcomes[place]) if place in outcomes else frozenset()
            if lost and (step.all_or_none or lost & self._plan.voters):
                raise UnreachableError(
                    f"{', '.join(sorted(lost))} went away while {step.component.title} was brought up; nothing further was touched",
                    hint="bring the host back, look at 'provision status', then run 'provision up' again",
                )

    def _failure(self, step: Step, failures: list[Event], beside: Sequence[Step]) -> RunFailed:
        first = failures[0]
        host, unit = str(first["host"]), step.component.unit
        text = f"{step.component.title}: {first['task']}\n{first['message']}"
        if unit and unit not in str(first["message"]):
            text += f"\nlast lines of {unit} on {host}:\n{self._world.unit_log(host, unit)}"
        others = sorted({str(e["host"]) for e in failures} - {host})
        if others:
            text += f"\nfailed also on {', '.join(others)}"
        if beside:
            text += f"\nfailed beside it: {', '.join(each.title for each in beside)}"
        return RunFailed(text, self.so_far(), where=host,
                         hint=f"fix the cause and run the same command again; full log: {self._journal.folder}")


def _about(number: int, step: Step) -> dict[str, Any]:
    return {"number": number, "verb": step.verb, "component": step.component.name}


def _lost(outcome: Outcome) -> frozenset[str]:
    return frozenset(str(event["host"]) for event in outcome.unreachable)
