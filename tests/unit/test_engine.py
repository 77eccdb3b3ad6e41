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
from provisioner.paths import playbooks_dir
from provisioner.plan.steps import Plan, Step
from provisioner.run.ansible import VERBS, Play, PlaybookExecutor
from provisioner.run.engine import Engine, Result, RunFailed, World
from provisioner.run.outcome import Event, Outcome
from provisioner.state.journal import Journal

NOTES = {"m1": {"docker": {"witness": {}, "digest": "d1"}}, "m2": {"dns": {"witness": {}, "digest": "d2"}}}


class Script:
    """Plays what the test wrote: one list of (status, host) per step."""

    def __init__(self, *steps: list[tuple[str, str]]) -> None:
        self.steps = list(steps)
        self.asked: list[Mapping[str, Any]] = []
        self.verbs: list[str] = []

    def side_by_side(self, plays: Sequence[Play], on_end: Callable[[int, Outcome], None]) -> None:
        """The last one ends first."""
        for place, play in reversed([*enumerate(plays)]):
            on_end(place, self.play(play.verb, play.variables, play.on_event))

    def play(self, verb: str, variables: Mapping[str, Any], on_event: Callable[[Event], None]) -> Outcome:
        self.asked.append(variables)
        self.verbs.append(verb)
        outcome = Outcome()
        for status, host in self.steps.pop(0):
            event = {"event": "result", "status": status, "host": host, "task": "Do it", "message": "it broke", "warnings": []}
            outcome.take(event)
            on_event(event)
        return outcome


class Asking:
    """The hosts that ask for a reboot. Each is asked once."""

    def __init__(self, *hosts: str) -> None:
        self.hosts, self.asked = hosts, list[str]()

    def __call__(self, host: str) -> bool:
        self.asked.append(host)
        return host in self.hosts


class Silent:
    def step(self, number: int, total: int, step: Step) -> None: ...

    def event(self, step: Step, event: Event) -> None: ...

    def done(self, step: Step, outcome: Outcome, seconds: float) -> None: ...

    def skipped(self, number: int, total: int, step: Step, why: str) -> None: ...

    def end(self, result: Result) -> None:
        self.result = result


class Ensemble:
    """Everybody serves, or nobody; one leads; one is missing once some others have been worked on."""

    def __init__(self, leader: str = "", dies: str = "", after: int = 0, *, lost: bool = False) -> None:
        self.leader, self.dies, self.after, self.lost, self.gates = leader, dies, after, lost, list[frozenset[str]]()

    def now(self, step: Step) -> tuple[Sequence[str], frozenset[str]]:
        return sorted(step.hosts, key=lambda h: h == self.leader), frozenset() if self.lost else frozenset(step.hosts)

    def missing(self, step: Step, expected: frozenset[str]) -> frozenset[str]:
        self.gates.append(expected)
        return expected & {self.dies} if len(self.gates) >= self.after else frozenset()


def engine(script: Script, folder: Path, asking: Asking | None = None, members: Ensemble | None = None,
           still_ours: Callable[[str], None] = lambda doing: None, progress: Silent | None = None) -> Engine:
    playbook = PlaybookExecutor(script, NOTES)
    world = World(dict.fromkeys((*VERBS, "reboot"), playbook), playbook.together, {"reboot": asking or Asking()}, members or Ensemble(),
                  lambda host, unit: f"journal of {unit} on {host}", still_ours)
    return Engine(world, Journal(folder), progress or Silent())


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def test_counts_are_summed_over_steps(tmp_path: Path) -> None:
    script = Script([("changed", "m1"), ("ok", "m2")], [("changed", "m2")])
    result = engine(script, tmp_path).run(Plan("c", (Step(component("docker"), ("m1", "m2")), Step(component("dns"), ("m2",)))))
    assert {k: v for k, v in result.as_json().items() if k != "seconds"} == {"cluster": "c", "changed": 2, "failed": 0, "unreachable": 0}
    assert script.asked[0]["component_notes"] == {"m1": NOTES["m1"]}, "what each host notes when the role is through"


def test_a_failure_stops_the_run_and_names_host_message_and_journal(tmp_path: Path) -> None:
    script, progress = Script([("failed", "m2")], [("ok", "m1")]), Silent()
    first = Step(component("zookeeper"), ("m1", "m2"), reasons={"m2": "zoo.cfg was edited"})
    plan = Plan("c", (first, Step(component("marathon"), ("m1",))))
    with pytest.raises(StepFailed) as error:
        engine(script, tmp_path, progress=progress).run(plan)
    assert "m2" in error.value.where
    assert "it broke" in str(error.value)
    assert "journal of zookeeper on m2" in str(error.value)
    assert (len(script.steps), progress.result.failed) == (1, 1), "who shows the run gets the counts also of a failed one"
    assert [e["event"] for e in events(tmp_path)] == ["plan", "step", "step-done", "end"]
    assert events(tmp_path)[1]["reasons"] == {"m2": "zoo.cfg was edited"}, "long after, somebody asks why"


BESIDE = (Step(component("consul"), ("m1", "a1")), Step(component("zookeeper"), ("m1",), alongside=True))


def test_steps_side_by_side_all_begin_before_one_ends_and_the_next_waits_for_all(tmp_path: Path) -> None:
    script = Script([("changed", "m1")], [("changed", "m1"), ("unreachable", "a1")], [("ok", "m1")])
    result = engine(script, tmp_path).run(Plan("c", (*BESIDE, Step(component("dns"), ("m1", "a1")))))
    assert [asked["component_name"] for asked in script.asked] == ["zookeeper", "consul", "dns"]
    assert [(e["event"], e["number"]) for e in events(tmp_path)[1:-1]] == [
        ("step", 1), ("step", 2), ("step-done", 2), ("step-done", 1), ("step", 3), ("step-done", 3)]
    assert (result.changed, script.asked[-1]["component_hosts"]) == (2, "m1")
    assert result.unreachable == {"a1"}


def test_what_fails_beside_another_stops_the_run_when_both_have_ended(tmp_path: Path) -> None:
    script = Script([("failed", "m1")], [("failed", "a1")], [])
    with pytest.raises(StepFailed, match=r"(?s)Consul: Do it.*failed beside it: ZooKeeper") as error:
        engine(script, tmp_path).run(Plan("c", (*BESIDE, Step(component("dns"), ("m1",)))))
    assert (error.value.where, len(script.steps)) == ("a1", 1)
    assert [(e["event"], e["number"]) for e in events(tmp_path)[1:-1]] == [("step", 1), ("step", 2), ("step-done", 2), ("step-done", 1)]


def test_a_failure_beside_what_has_no_outcome_is_told_with_its_journal(tmp_path: Path) -> None:
    def together(steps: Sequence[Step], on_event: Callable[[int, Event], None], on_end: Callable[[int, Outcome], None]) -> None:
        failed = Outcome()
        failed.take({"event": "result", "status": "failed", "host": "m1", "task": "Do it", "message": "it broke", "warnings": []})
        on_end(1, failed)
        raise StepFailed("ansible-playbook ended with -9")

    world = World({}, together, {}, Ensemble(), lambda host, unit: f"journal of {unit}", lambda doing: None)
    with pytest.raises(RunFailed, match=r"(?s)ZooKeeper: Do it.*journal of zookeeper.*failed beside it: Consul"):
        Engine(world, Journal(tmp_path), Silent()).run(Plan("c", BESIDE))
    assert [e["failed"] for e in events(tmp_path) if e["event"] == "step-done"] == [["m1: Do it"], ["ansible-playbook ended with -9"]]


def test_nothing_begins_beside_what_may_not(tmp_path: Path) -> None:
    def still_ours(doing: str) -> None:
        if "ZooKeeper" in doing:
            raise StoppedError("stopped, as asked for")

    with pytest.raises(StoppedError):
        engine(Script(), tmp_path, still_ours=still_ours).run(Plan("c", BESIDE))
    assert [e["event"] for e in events(tmp_path)] == ["plan", "end"]


def test_a_lost_agent_is_left_out_of_what_follows(tmp_path: Path) -> None:
    script = Script([("unreachable", "a1"), ("ok", "a2")], [("ok", "a2")])
    plan = Plan("c", (Step(component("mesos_agent"), ("a1", "a2")), Step(component("registrator"), ("a1", "a2"))))
    assert engine(script, tmp_path).run(plan, frozenset({"m9"})).unreachable == {"a1", "m9"}
    assert script.asked[1]["component_hosts"] == "a2"


def test_a_lost_member_of_a_quorum_stops_the_run(tmp_path: Path) -> None:
    script = Script([("unreachable", "m1")], [])
    plan = Plan("c", (Step(component("zookeeper"), ("m1", "m2"), batch=1, all_or_none=True), Step(component("marathon"), ("m2",))))
    with pytest.raises(UnreachableError):
        engine(script, tmp_path).run(plan)
    assert len(script.steps) == 1


def test_losing_a_voter_ends_the_run_in_any_step(tmp_path: Path) -> None:
    script = Script([("unreachable", "m1"), ("ok", "a1")], [])
    plan = Plan("c", (Step(component("dns"), ("a1", "m1")), Step(component("zookeeper"), ("m1",))), frozenset({"m1"}))
    with pytest.raises(UnreachableError):
        engine(script, tmp_path).run(plan)
    assert len(script.steps) == 1


REBOOTS = Plan("c", (
    Step(component("kernel"), ("m1", "a1")), Step(component("kernel"), ("m1",), verb="reboot", if_needed="reboot"),
    Step(component("kernel"), ("m1",), if_needed="reboot"), Step(component("mesos_agent"), ("a1",), verb="drain", if_needed="reboot"),
    Step(component("kernel"), ("a1",), verb="reboot", if_needed="reboot"), Step(component("kernel"), ("a1",), if_needed="reboot"),
    Step(component("mesos_agent"), ("a1",), if_needed="reboot"), Step(component("zookeeper"), ("m1",))))


@pytest.mark.parametrize(("asking", "skipped"), [((), [2, 3, 4, 5, 6, 7]), (("m1",), [4, 5, 6, 7]), (("a1",), [2, 3]), (("m1", "a1"), [])])
def test_steps_that_are_done_if_needed_are_done_all_or_none_and_skipping_them_is_said(
        tmp_path: Path, asking: tuple[str, ...], skipped: list[int]) -> None:
    script, asked = Script(*[[("ok", "x")]] * len(REBOOTS.steps)), Asking(*asking)
    engine(script, tmp_path, asked).run(REBOOTS)
    assert asked.asked == ["m1", "a1"], "after a reboot the answer would be another one"
    assert [e["number"] for e in events(tmp_path) if e["event"] == "skip" and e["why"] == "not needed"] == skipped
    assert [e["number"] for e in events(tmp_path) if e["event"] == "step"] == [n for n in range(1, 9) if n not in skipped]


def test_a_step_of_which_no_host_is_left_is_said_to_be_skipped(tmp_path: Path) -> None:
    script = Script([("unreachable", "a1")])
    engine(script, tmp_path).run(Plan("c", (Step(component("dns"), ("a1",)), Step(component("logstash"), ("a1",)))))
    assert [(e["event"], e.get("why")) for e in events(tmp_path)][3:] == [("skip", "not reached"), ("end", None)]


def test_an_executor_that_raises_has_its_end_in_the_journal(tmp_path: Path) -> None:
    def refuse(*_: Any) -> Outcome:
        raise StepFailed("it was told to reboot and did not", where="m1")

    world = World({"reboot": refuse}, lambda *_: None, {}, Ensemble(), lambda host, unit: "", lambda doing: None)
    with pytest.raises(StepFailed, match="did not"):
        Engine(world, Journal(tmp_path), Silent()).run(Plan("c", (Step(component("kernel"), ("m1",), verb="reboot"),)))
    assert events(tmp_path)[2]["failed"] == ["m1: it was told to reboot and did not"]


ROLL = Plan("c", (Step(component("zookeeper"), ("m1", "m2", "m3"), batch=1, all_or_none=True),))


def test_who_leads_is_asked_when_the_step_begins_and_each_member_is_a_play_of_its_own(tmp_path: Path) -> None:
    script = Script(*[[("changed", "x")]] * 3)
    members = Ensemble(leader="m1")
    engine(script, tmp_path, members=members).run(ROLL)
    assert [asked["component_hosts"] for asked in script.asked] == ["m2", "m3", "m1"]
    assert members.gates == [frozenset({"m1", "m2"}), frozenset({"m2", "m3"})], "all others are asked before each further member"


@pytest.mark.parametrize(("dies", "after", "done"), [("m2", 1, ["m2"]), ("m1", 1, ["m2"]), ("m2", 2, ["m2", "m3"])])
def test_a_member_that_dies_in_the_middle_of_a_roll_ends_it_before_the_next(tmp_path: Path, dies: str, after: int, done: list[str]) -> None:
    script = Script(*[[("changed", "x")]] * 3)
    with pytest.raises(StepFailed, match=f"no longer works on {dies}; done: {', '.join(done)}; not touched: ") as error:
        engine(script, tmp_path, members=Ensemble("m1", dies, after)).run(ROLL)
    assert [asked["component_hosts"] for asked in script.asked] == done
    assert error.value.where == dies


def test_a_quorum_that_was_lost_since_the_plan_is_brought_back_by_all_at_once(tmp_path: Path) -> None:
    """One at a time the first would wait in vain for the others. Not on the way to another size: its order keeps what was written."""
    script = Script(*[[("changed", "x")]] * 4)
    running = engine(script, tmp_path, members=Ensemble(lost=True))
    running.run(ROLL)
    assert [(asked["component_hosts"], asked["component_batch"]) for asked in script.asked] == [("m1,m2,m3", "100%")]
    running.run(Plan("c", (replace(ROLL.steps[0], expect={"members": 3}),)))
    assert [asked["component_hosts"] for asked in script.asked[1:]] == ["m1", "m2", "m3"]


def test_members_that_leave_one_by_one_are_not_missed(tmp_path: Path) -> None:
    script = Script([("changed", "x")])
    members = Ensemble(dies="m1")
    engine(script, tmp_path, members=members).run(Plan("c", (Step(component("consul"), ("m1", "m2"), batch=1, verb="remove"),)))
    assert (script.asked[0]["component_hosts"], members.gates) == ("m1,m2", [])


def test_a_step_on_the_way_to_another_size_is_noted_nowhere(tmp_path: Path) -> None:
    script = Script([("changed", "m1")])
    step = Step(component("docker"), ("m1",), variables={"docker_servers": [1]}, expect={"servers": 1}, verb="remove")
    engine(script, tmp_path).run(Plan("c", (step,)))
    assert (script.verbs, script.asked[0]["component_notes"]) == (["remove"], {})
    assert (script.asked[0]["docker_servers"], script.asked[0]["docker_expect"]) == ([1], {"servers": 1})


def test_a_run_that_is_to_stop_ends_before_the_next_step_and_its_journal_says_so(tmp_path: Path) -> None:
    script, progress = Script([("changed", "m1")], [("changed", "m1")]), Silent()
    asked = iter([None, StoppedError("stopped, as asked for")])

    def still_ours(doing: str) -> None:
        if error := next(asked):
            raise error

    with pytest.raises(StoppedError):
        engine(script, tmp_path, still_ours=still_ours, progress=progress).run(
            Plan("c", (Step(component("docker"), ("m1",)), Step(component("dns"), ("m1",)))))
    assert [e["event"] for e in events(tmp_path)] == ["plan", "step", "step-done", "end"]
    assert (len(script.steps), progress.result.changed) == (1, 1)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_of_ansible_has_its_playbook(verb: str) -> None:
    assert (playbooks_dir() / f"{verb}.yml").is_file()
