"""The engine goes on, stops and counts as it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.components import component
from provisioner.errors import StepFailed, StoppedError, UnreachableError
from provisioner.plan.steps import Plan, Step
from provisioner.run.ansible import Event, Outcome
from provisioner.run.engine import Engine, Result
from provisioner.state.journal import Journal

NOTES = {"m1": {"docker": {"witness": {}, "digest": "d1"}}, "m2": {"dns": {"witness": {}, "digest": "d2"}}}


class Script:
    """Plays what the test wrote: one list of (status, host) per step."""

    def __init__(self, *steps: list[tuple[str, str]]) -> None:
        self.steps = list(steps)
        self.asked: list[Mapping[str, Any]] = []
        self.verbs: list[str] = []

    def play(self, verb: str, variables: Mapping[str, Any], on_event: Callable[[Event], None], *, check: bool = False) -> Outcome:
        self.asked.append(variables)
        self.verbs.append(verb)
        outcome = Outcome()
        for status, host in self.steps.pop(0):
            event = {"event": "result", "status": status, "host": host, "task": "Do it", "message": "it broke", "warnings": []}
            outcome.take(event)
            on_event(event)
        return outcome


class NoReboots:
    """Nobody asks for one, unless the test says so."""

    def __init__(self, *asking: str, serving: frozenset[str] = frozenset()) -> None:
        self.asking, self.served, self.done = asking, serving, list[str]()

    def pending(self, hosts: Sequence[str]) -> tuple[str, ...]:
        return tuple(h for h in hosts if h in self.asking)

    def serving(self, host: str) -> frozenset[str]:
        return self.served

    def reboot(self, host: str, served: frozenset[str]) -> None:
        self.done.append(host)
        self.expected = served


class Silent:
    def step(self, number: int, total: int, step: Step) -> None: ...

    def event(self, event: Event) -> None: ...

    def done(self, step: Step, outcome: Outcome, seconds: float) -> None: ...


class Ensemble:
    """Everybody serves, or nobody; one leads; one is missing once some others have been worked on."""

    def __init__(self, leader: str = "", dies: str = "", after: int = 0, *, lost: bool = False) -> None:
        self.leader, self.dies, self.after, self.lost, self.gates = leader, dies, after, lost, list[frozenset[str]]()

    def now(self, step: Step) -> tuple[Sequence[str], frozenset[str]]:
        return sorted(step.hosts, key=lambda h: h == self.leader), frozenset() if self.lost else frozenset(step.hosts)

    def missing(self, step: Step, expected: frozenset[str]) -> frozenset[str]:
        self.gates.append(expected)
        return expected & {self.dies} if len(self.gates) >= self.after else frozenset()


def engine(script: Script, folder: Path, reboots: NoReboots | None = None, members: Ensemble | None = None) -> Engine:
    return Engine(script, Journal(folder), Silent(), lambda host, unit: f"journal of {unit} on {host}", NOTES, reboots or NoReboots(),
                  lambda doing: None, members or Ensemble())


def test_counts_are_summed_over_steps(tmp_path: Path) -> None:
    script = Script([("changed", "m1"), ("ok", "m2")], [("changed", "m2")])
    result = Result("c")
    engine(script, tmp_path).up(Plan("c", (Step(component("docker"), ("m1", "m2")), Step(component("dns"), ("m2",)))), result)
    assert {k: v for k, v in result.as_json().items() if k != "seconds"} == {"cluster": "c", "changed": 2, "failed": 0, "unreachable": 0}
    assert script.asked[0]["component_notes"] == {"m1": NOTES["m1"]}, "what each host notes when the role is through"


def test_a_failure_stops_the_run_and_names_host_message_and_journal(tmp_path: Path) -> None:
    script = Script([("failed", "m2")], [("ok", "m1")])
    result = Result("c")
    first = Step(component("zookeeper"), ("m1", "m2"), reasons={"m2": "zoo.cfg was edited"})
    plan = Plan("c", (first, Step(component("marathon"), ("m1",))))
    with pytest.raises(StepFailed) as error:
        engine(script, tmp_path).up(plan, result)
    assert "m2" in error.value.where
    assert "it broke" in str(error.value)
    assert "journal of zookeeper on m2" in str(error.value)
    assert (len(script.steps), result.failed) == (1, 1)
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events] == ["step", "step-done", "end"]
    assert events[0]["reasons"] == {"m2": "zoo.cfg was edited"}, "long after, somebody asks why"


def test_a_lost_agent_is_left_out_of_what_follows(tmp_path: Path) -> None:
    script = Script([("unreachable", "a1"), ("ok", "a2")], [("ok", "a2")])
    result = Result("c")
    plan = Plan("c", (Step(component("mesos_agent"), ("a1", "a2")), Step(component("registrator"), ("a1", "a2"))))
    engine(script, tmp_path).up(plan, result)
    assert script.asked[1]["component_hosts"] == "a2"
    assert result.unreachable == {"a1"}


def test_a_lost_member_of_a_quorum_stops_the_run(tmp_path: Path) -> None:
    script = Script([("unreachable", "m1")], [])
    plan = Plan("c", (Step(component("zookeeper"), ("m1", "m2"), batch=1, all_or_none=True), Step(component("marathon"), ("m2",))))
    with pytest.raises(UnreachableError):
        engine(script, tmp_path).up(plan, Result("c"))
    assert len(script.steps) == 1


def test_losing_a_voter_ends_the_run_in_any_step(tmp_path: Path) -> None:
    script = Script([("unreachable", "m1"), ("ok", "a1")], [])
    plan = Plan("c", (Step(component("dns"), ("a1", "m1")), Step(component("zookeeper"), ("m1",))), frozenset({"m1"}))
    with pytest.raises(UnreachableError):
        engine(script, tmp_path).up(plan, Result("c"))
    assert len(script.steps) == 1


def test_a_kernel_that_waits_for_it_is_booted_one_host_at_a_time(tmp_path: Path) -> None:
    script = Script([("changed", "m1"), ("changed", "a1")], [("ok", "m1")], [("ok", "a1")], [("ok", "m1")])
    reboots = NoReboots("m1", "a1")
    plan = Plan("c", (Step(component("kernel"), ("m1", "a1")), Step(component("zookeeper"), ("m1",))))
    engine(script, tmp_path, reboots).up(plan, Result("c"))
    assert reboots.done == ["m1", "a1"]
    assert [(a["component_name"], a["component_hosts"]) for a in script.asked] == [
        ("kernel", "m1,a1"), ("kernel", "m1"), ("kernel", "a1"), ("zookeeper", "m1")]


def test_an_agent_is_drained_before_its_reboot_and_takes_work_again_afterwards(tmp_path: Path) -> None:
    script = Script([("changed", "a1")], [("ok", "a1")], [("ok", "a1")], [("ok", "a1")])
    plan = Plan("c", (Step(component("kernel"), ("a1",)),))
    reboots = NoReboots("a1", serving=frozenset({"mesos_agent", "docker"}))
    engine(script, tmp_path, reboots).up(plan, Result("c"))
    assert reboots.expected == {"docker"}, "a drained agent does not count as working until its role has run again"
    assert [(v, a["component_name"]) for v, a in zip(script.verbs, script.asked, strict=True)] == [
        ("up", "kernel"), ("drain", "mesos_agent"), ("up", "kernel"), ("up", "mesos_agent")]


ROLL = Plan("c", (Step(component("zookeeper"), ("m1", "m2", "m3"), batch=1, all_or_none=True),))


def test_who_leads_is_asked_when_the_step_begins_and_each_member_is_a_play_of_its_own(tmp_path: Path) -> None:
    script = Script(*[[("changed", "x")]] * 3)
    members = Ensemble(leader="m1")
    engine(script, tmp_path, members=members).up(ROLL, Result("c"))
    assert [asked["component_hosts"] for asked in script.asked] == ["m2", "m3", "m1"]
    assert members.gates == [frozenset({"m1", "m2"}), frozenset({"m2", "m3"})], "all others are asked before each further member"


@pytest.mark.parametrize(("dies", "after", "done"), [("m2", 1, ["m2"]), ("m1", 1, ["m2"]), ("m2", 2, ["m2", "m3"])])
def test_a_member_that_dies_in_the_middle_of_a_roll_ends_it_before_the_next(tmp_path: Path, dies: str, after: int, done: list[str]) -> None:
    script = Script(*[[("changed", "x")]] * 3)
    with pytest.raises(StepFailed, match=f"no longer works on {dies}; done: {', '.join(done)}; not touched: ") as error:
        engine(script, tmp_path, members=Ensemble("m1", dies, after)).up(ROLL, Result("c"))
    assert [asked["component_hosts"] for asked in script.asked] == done
    assert error.value.where == dies


def test_a_quorum_that_was_lost_since_the_plan_is_brought_back_by_all_at_once(tmp_path: Path) -> None:
    """One at a time the first would wait in vain for the others. Not on the way to another size: its order keeps what was written."""
    script = Script(*[[("changed", "x")]] * 4)
    running = engine(script, tmp_path, members=Ensemble(lost=True))
    running.up(ROLL, Result("c"))
    assert [(asked["component_hosts"], asked["component_batch"]) for asked in script.asked] == [("m1,m2,m3", "100%")]
    running.up(Plan("c", (replace(ROLL.steps[0], expect={"members": 3}),)), Result("c"))
    assert [asked["component_hosts"] for asked in script.asked[1:]] == ["m1", "m2", "m3"]


def test_members_that_leave_one_by_one_are_not_missed(tmp_path: Path) -> None:
    script = Script([("changed", "x")])
    members = Ensemble(dies="m1")
    engine(script, tmp_path, members=members).up(Plan("c", (Step(component("consul"), ("m1", "m2"), batch=1, verb="remove"),)), Result("c"))
    assert (script.asked[0]["component_hosts"], members.gates) == ("m1,m2", [])


def test_a_step_on_the_way_to_another_size_is_noted_nowhere(tmp_path: Path) -> None:
    script = Script([("changed", "m1")])
    step = Step(component("docker"), ("m1",), variables={"docker_servers": [1]}, expect={"servers": 1}, verb="remove")
    engine(script, tmp_path).up(Plan("c", (step,)), Result("c"))
    assert (script.verbs, script.asked[0]["component_notes"]) == (["remove"], {})
    assert (script.asked[0]["docker_servers"], script.asked[0]["docker_expect"]) == ([1], {"servers": 1})


def test_a_run_that_is_to_stop_ends_before_the_next_step_and_its_journal_says_so(tmp_path: Path) -> None:
    script, result = Script([("changed", "m1")], [("changed", "m1")]), Result("c")
    asked = iter([None, StoppedError("stopped, as asked for")])

    def still_ours(doing: str) -> None:
        if error := next(asked):
            raise error

    running = engine(script, tmp_path)
    running._still_ours = still_ours
    with pytest.raises(StoppedError):
        running.up(Plan("c", (Step(component("docker"), ("m1",)), Step(component("dns"), ("m1",)))), result)
    events = [json.loads(line) for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert [e["event"] for e in events] == ["step", "step-done", "end"]
    assert (len(script.steps), result.changed) == (1, 1)
