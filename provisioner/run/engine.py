"""Executes a plan, step by step, through Ansible. Owns when to go on and when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from provisioner.cluster.names import host_list
from provisioner.components import component
from provisioner.errors import StepFailed, UnreachableError
from provisioner.plan.fingerprint import Question
from provisioner.plan.steps import Plan, Step
from provisioner.run.ansible import Event, Outcome, Playbooks
from provisioner.state.journal import Journal


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

    def __add__(self, later: Result) -> Result:
        """Both of two runs."""
        return Result(self.cluster, self.changed + later.changed, self.failed + later.failed, self.unreachable | later.unreachable,
                      self.seconds + later.seconds, list(dict.fromkeys([*self.warnings, *later.warnings])))

    def as_json(self) -> dict[str, Any]:
        """The last line of `up --json`."""
        return {"cluster": self.cluster, "changed": self.changed, "failed": self.failed,
                "unreachable": len(self.unreachable), "seconds": round(self.seconds, 1)}


class RunFailed(StepFailed):
    """A task failed; `result` counts what was done until then."""

    def __init__(self, message: str, result: Result, *, where: str, hint: str) -> None:
        self.result = result
        super().__init__(message, where=where, hint=hint)


class Rebooter(Protocol):
    """Reboots hosts that ask for it (see `reboot.Reboots`)."""

    def pending(self, hosts: Sequence[str]) -> tuple[str, ...]:
        """Those that ask for it."""

    def serving(self, host: str) -> frozenset[str]:
        """What works there now."""

    def reboot(self, host: str, served: frozenset[str]) -> None:
        """Do it, and wait until all is as before."""


#: Asks a host for the last lines of a unit's journal.
UnitLog = Callable[[str, str], str]


class Members(Protocol):
    """The members of a step that is done one host at a time, as they are now."""

    def now(self, step: Step) -> tuple[Sequence[str], frozenset[str]]:
        """Its hosts in the order that is best now, and those on which its component serves; nobody only where that lasts."""

    def missing(self, step: Step, expected: frozenset[str]) -> frozenset[str]:
        """Those of `expected` on which it does not serve, when that has been so for a while and not only for an election."""


#: What a roll does: after each member the next one is touched only while nobody else is missing.
ROLLING = ("up", "restart")


class Engine:
    """Runs the steps of a plan in order and stops at the first that fails.

    `still_ours` is asked before each step, with what the step does; it raises LockedError when the cluster is no longer ours to change,
    StoppedError when the run is to stop.
    `members` are asked before each step that is done one host at a time, as who leads may have changed since the plan was made, and
    before each further host of it: one that served and no longer does ends the run before the next one is touched.
    """

    def __init__(self, playbooks: Playbooks, journal: Journal, progress: Progress, unit_log: UnitLog,
                 witnesses: Mapping[str, Mapping[str, Question]], reboots: Rebooter,
                 still_ours: Callable[[str], None], members: Members) -> None:
        self._still_ours = still_ours
        self._members = members
        self._playbooks = playbooks
        self._reboots = reboots
        self._witnesses = witnesses
        self._journal = journal
        self._progress = progress
        self._unit_log = unit_log

    def up(self, plan: Plan, result: Result) -> None:
        """Execute; `result` is filled as it goes.

        Raises RunFailed with host, module message and the unit's last lines; UnreachableError when a host that shares
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
        if step.batch == 1 and len(hosts) > 1 and step.verb in ROLLING:
            self._roll(number, plan, replace(step, hosts=hosts), result)
        else:
            self._progress.step(number, len(plan.steps), step)
            self._play(step.verb, step, hosts, plan, result)
        if step.component.name == "kernel" and step.verb == "up":
            self._reboot(step, hosts, plan, result)

    def _roll(self, number: int, plan: Plan, step: Step, result: Result) -> None:
        """One host after the other, each in a play of its own, with a look at all others in between.

        Where it serves nowhere by now, on all at once: there is nobody to keep, and a quorum that is lost comes back only with several.
        """
        order, serving = self._members.now(step)
        if not serving and not step.expect:
            whole = replace(step, batch=0)
            self._progress.step(number, len(plan.steps), whole)
            self._play(step.verb, whole, step.hosts, plan, result)
            return
        hosts = [h for h in order if h in step.hosts]
        for place, host in enumerate(hosts):
            missing = self._members.missing(step, serving - {host}) if place else frozenset()
            if missing:
                raise StepFailed(
                    f"stopped before {host}: {step.component.title} no longer works on {host_list(sorted(missing))}; "
                    f"done: {host_list(hosts[:place])}; not touched: {host_list(hosts[place:])}", where=min(missing),
                    hint="bring it back ('provision status' says what is wrong), then run the same command again",
                )
            own = replace(step, hosts=(host,))
            self._progress.step(number, len(plan.steps), own)
            self._play(step.verb, own, (host,), plan, result)
            serving |= {host}

    def _reboot(self, step: Step, hosts: tuple[str, ...], plan: Plan, result: Result) -> None:
        """Hosts whose new kernel waits for it, one at a time; an agent's tasks are moved away first."""
        for host in self._reboots.pending([h for h in hosts if h not in result.unreachable]):
            served = self._reboots.serving(host)
            agent = Step(component("mesos_agent"), (host,))
            if "mesos_agent" in served:
                self._play("drain", agent, (host,), plan, result)
            self._journal.record("reboot", host=host, serving=sorted(served))
            self._reboots.reboot(host, served - {"mesos_agent"})  # drained until its role has run again
            self._play("up", step, (host,), plan, result)
            if "mesos_agent" in served:
                self._play("up", agent, (host,), plan, result)

    def _play(self, verb: str, step: Step, hosts: tuple[str, ...], plan: Plan, result: Result) -> None:
        begin = time.monotonic()
        self._still_ours(f"{verb} {step.component.title} on {host_list(hosts)}")
        reasons = {host: step.reasons[host] for host in hosts if host in step.reasons}
        self._journal.record("step", verb=verb, component=step.component.name, hosts=hosts, batch=step.batch, reasons=reasons)
        outcome = self._playbooks.play(verb, step_variables(step, hosts, self._witnesses), self._progress.event)
        result.changed += outcome.changed
        result.failed += len(outcome.failures)
        result.warnings += [w for w in outcome.warnings if w not in result.warnings]
        lost = {str(e["host"]) for e in outcome.unreachable}
        result.unreachable |= lost
        self._journal.record("step-done", component=step.component.name, changed=outcome.changed_tasks,
                             failed=[f"{e['host']}: {e['task']}" for e in outcome.failures], unreachable=sorted(lost))
        self._progress.done(step, outcome, time.monotonic() - begin)
        if outcome.failures:
            raise self._failure(step, outcome.failures, result)
        if lost and (step.all_or_none or lost & plan.voters):
            raise UnreachableError(
                f"{', '.join(sorted(lost))} went away while {step.component.title} was brought up; nothing further was touched",
                hint="bring the host back, look at 'provision status', then run 'provision up' again",
            )

    def _failure(self, step: Step, failures: list[Event], result: Result) -> RunFailed:
        first = failures[0]
        host, unit = str(first["host"]), step.component.unit
        text = f"{step.component.title}: {first['task']}\n{first['message']}"
        if unit and unit not in str(first["message"]):
            text += f"\nlast lines of {unit} on {host}:\n{self._unit_log(host, unit)}"
        others = sorted({str(e["host"]) for e in failures} - {host})
        if others:
            text += f"\nfailed also on {', '.join(others)}"
        return RunFailed(text, result, where=host,
                         hint=f"mend the cause and run the same command again; the whole log: {self._journal.folder}")


def step_variables(step: Step, hosts: tuple[str, ...], witnesses: Mapping[str, Mapping[str, Question]] | None = None) -> Mapping[str, Any]:
    """What a playbook is told; `component_notes` is what each host is to note when the role has done its work."""
    name = step.component.name
    noted = {} if step.variables else witnesses or {}
    return {
        "component_name": name,
        "component_role": step.component.role,
        "component_hosts": ",".join(hosts),
        "component_batch": step.batch or "100%",
        "component_unit": step.component.unit,
        "component_all_or_none": step.all_or_none,
        # A failure ends a step that goes in batches before the next one; a host that went away does not (it counts for neither).
        "component_may_fail": 0 if step.batch else 100,
        "component_notes": {host: {name: own[name]} for host, own in noted.items() if host in hosts and name in own},
        **({f"{step.component.role}_expect": dict(step.expect)} if step.expect else {}),
        **step.variables,
    }
