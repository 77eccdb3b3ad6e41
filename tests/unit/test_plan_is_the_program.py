"""What a run does is what its plan says, in that order: for any cluster, any state of it, and whatever fails on the way."""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.cluster.model import Cluster, Host
from provisioner.components import COMPONENTS, SERVER_GROUPS
from provisioner.errors import ProvisionError, StepFailed, StoppedError
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.authentication import PROTECT
from provisioner.plan.make import make_plan
from provisioner.plan.steps import REBOOT, Plan, Step
from provisioner.plan.versions import Move, Moves
from provisioner.run.ansible import VERBS
from provisioner.run.engine import Engine, Result, World
from provisioner.run.outcome import Event, Outcome
from provisioner.state.journal import Journal

ALL = frozenset(c.name for c in COMPONENTS if c.shorthand == "all")
MASTER = ALL | {c.name for c in COMPONENTS if c.shorthand == "masters"} | SERVER_GROUPS.keys()
AGENT = ALL | {c.name for c in COMPONENTS if c.shorthand == "agents"}
#: Seldom enough that a run gets somewhere.
SELDOM = 0.03


def clusters(random: Random) -> Cluster:
    """One to five masters, some of which may be agents too, and up to four agents."""
    masters = [MASTER | (AGENT if random.random() < 0.2 else frozenset()) for _ in range(random.choice([1, 3, 5]))]
    groups = {f"m{n}": own for n, own in enumerate(masters, 1)} | {f"a{n}": AGENT for n in range(1, random.randint(0, 4) + 1)}
    hosts = tuple(Host(name, f"192.0.2.{n}", groups=own) for n, (name, own) in enumerate(groups.items(), 1))
    return Cluster("c", Path("/nowhere/inventory.yml"), hosts, {"cluster_authentication": random.random() < 0.5})


def rendered(cluster: Cluster, random: Random) -> dict[str, Any]:
    own = {h.name: {"zookeeper_id": n, "zookeeper_address": h.address, "kernel_upgrade": random.random() < 0.5}
           for n, h in enumerate(cluster.hosts, 1)}
    return {"all": {"vars": {}, "hosts": own}}


def observations(cluster: Cluster, random: Random) -> Observation:
    """Every component in any state, on a cluster that mostly works, or hardly."""
    fine = random.choice([0.0, 0.5, 0.9, 1.0])
    servers = [n for n, h in enumerate(cluster.hosts, 1) if "zookeeper" in h.groups]
    facts: dict[str, dict[str, Any]] = {
        "kernel": {"reboot": "pending"} if random.random() < 0.5 else {},
        "mesos_master": {"quorum": len(servers) // 2 + 1, "ensemble_size": len(servers), "authenticates": random.random() < 0.5},
        "zookeeper": {"servers": servers[:random.randint(1, len(servers))] if random.random() < 0.5 else servers},
        "consul": {"raft_peers": [h.name for h in cluster.members("consul_server")][:random.randint(1, len(servers))]},
    }

    def host(each: Host) -> HostObservation:
        own = {name: "ok" if random.random() < fine else random.choice(["down", "degraded", ""]) for name in each.groups}
        health = {name: {"state": state, "leader": random.random() < 0.3, "detail": "says so", "facts": facts.get(name, {})}
                  for name, state in own.items() if state}
        return HostObservation(random.random() > SELDOM, health=health,
                               unsettled={name: "" if random.random() < fine else "it was edited" for name in own})

    return Observation({each.name: host(each) for each in cluster.hosts})


def moving(cluster: Cluster, random: Random) -> Moves:
    return {c.name: {h.name: Move("1", "2") for h in cluster.members(c.name)} for c in COMPONENTS if random.random() < 0.1}


class Hosts:
    """Do what chance says, and note what they were told to do."""

    def __init__(self, random: Random) -> None:
        self.random, self.told = random, list[tuple[str, str, tuple[str, ...]]]()

    def carry_out(self, step: Step, hosts: Sequence[str], on_event: Callable[[Event], None]) -> Outcome:
        self.told.append((step.verb, step.component.name, tuple(hosts)))
        if self.random.random() < SELDOM:
            raise StepFailed("it does not do what it is told")
        outcome = Outcome()
        for host in hosts:
            ill = self.random.random() < SELDOM / 2
            status = self.random.choice(["failed", "unreachable"] if ill else ["ok", "changed"])
            outcome.take({"event": "result", "status": status, "host": host, "task": "Do it", "message": "it broke", "warnings": []})
        return outcome

    def together(self, steps: Sequence[Step], on_event: Callable[[int, Event], None], on_end: Callable[[int, Outcome], None]) -> None:
        broken: list[StepFailed] = []
        for place, step in enumerate(steps):
            try:
                on_end(place, self.carry_out(step, step.hosts, lambda _: None))
            except StepFailed as error:
                broken.append(error)
        if broken:
            raise broken[0]

    def asks(self, host: str) -> bool:
        if self.random.random() < SELDOM:
            raise StepFailed("it must not go away now", where=host)
        return self.random.random() < 0.5

    def now(self, step: Step) -> tuple[Sequence[str], frozenset[str]]:
        serving = [] if self.random.random() < 0.3 else [h for h in step.hosts if self.random.random() < 0.7]
        return self.random.sample(step.hosts, len(step.hosts)), frozenset(serving)

    def missing(self, step: Step, expected: frozenset[str]) -> frozenset[str]:
        return frozenset(h for h in expected if self.random.random() < SELDOM / 2)

    def still_ours(self, doing: str) -> None:
        if self.random.random() < SELDOM / 2:
            raise StoppedError("stopped, as asked for")


class Unseen:
    def step(self, number: int, total: int, step: Step) -> None: ...

    def event(self, step: Step, event: Event) -> None: ...

    def done(self, step: Step, outcome: Outcome, seconds: float) -> None: ...

    def skipped(self, number: int, total: int, step: Step, why: str) -> None: ...

    def end(self, result: Result) -> None: ...


def run(plan: Plan, hosts: Hosts) -> tuple[list[dict[str, Any]], bool]:
    """The events of a run, and whether it came to its end."""
    world = World(dict.fromkeys((*VERBS, REBOOT, PROTECT), hosts.carry_out), hosts.together, {REBOOT: hosts.asks}, hosts,
                  lambda host, unit: "", hosts.still_ours)
    with tempfile.TemporaryDirectory() as folder:
        try:
            Engine(world, Journal(Path(folder)), Unseen()).run(plan)
            whole = True
        except ProvisionError:
            whole = False
        return [json.loads(line) for line in (Path(folder) / "journal.jsonl").read_text().splitlines()], whole


def check(plan: Plan, events: Sequence[Mapping[str, Any]], *, whole: bool) -> None:
    """That they tell of the plan's steps, all of them or the first ones, and of nothing else."""
    assert (events[0]["event"], events[-1]["event"]) == ("plan", "end")
    assert events[0]["steps"] == [json.loads(json.dumps(step.as_json())) for step in plan.steps]
    stages = {number: place for place, stage in enumerate(plan.stages()) for number in stage}
    turns = [stages[int(event["number"])] for event in events[1:-1]]
    assert turns == sorted(turns), "a step began before all of the stage before it had ended"
    by_number: dict[int, list[Mapping[str, Any]]] = {}
    for event in events[1:-1]:
        by_number.setdefault(int(event["number"]), []).append(event)
    assert sorted(by_number) == list(range(1, len(by_number) + 1)), "a step was left out and the run went on"
    assert not whole or len(by_number) == len(plan.steps)
    lost: set[str] = set()
    for place, numbers in itertools.groupby(sorted(by_number), key=stages.__getitem__):
        last = place == turns[-1] and not whole
        lost |= {host for number in list(numbers) for host in check_step(plan.steps[number - 1], by_number[number], lost, last=last)}


def check_step(step: Step, own: Sequence[Mapping[str, Any]], lost: Set[str], *, last: bool) -> set[str]:
    """That these are its events; which hosts it lost. `last`: the run ended in it, or in one beside it."""
    assert {(e["verb"], e["component"]) for e in own} == {(step.verb, step.component.name)}
    if own[0]["event"] == "skip":
        assert len(own) == 1
        assert step.if_needed or {*step.hosts} <= lost
        return set()
    assert [e["event"] for e in own] == ["step", "step-done"] * (len(own) // 2), "each begins and ends before the next"
    begun = own[::2]
    hosts = [host for event in begun for host in event["hosts"]]
    assert len(hosts) == len({*hosts})
    assert {*hosts} <= {*step.hosts} - lost
    assert last or step.if_needed or {*hosts} == {*step.hosts} - lost, "a host was forgotten"
    if len(begun) > 1 or (last and step.rolls and len(hosts) == 1):
        assert step.rolls
        assert all(len(event["hosts"]) == 1 for event in begun)
    elif len(hosts) > 1:
        assert begun[0]["batch"] == (0 if step.together_if_none_serves else step.batch)
    assert not any(event["failed"] for event in own[1:-1:2]), "it went on after a failure"
    assert last or not own[-1]["failed"]
    return {host for event in own[1::2] for host in event["unreachable"]}


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32))
def test_the_events_of_a_run_are_those_of_its_plan(seed: int) -> None:
    random = Random(seed)  # noqa: S311  # one number for all of it: as an input of its own each of a thousand choices would cost more
    cluster = clusters(random)
    try:
        plan = make_plan(cluster, rendered(cluster, random), observations(cluster, random), full=random.random() < 0.1,
                         moving=moving(cluster, random) if random.random() < 0.5 else {})
    except ProvisionError:  # refused before the first change
        return
    hosts = Hosts(random)
    events, whole = run(plan, hosts)
    check(plan, events, whole=whole)
    assert hosts.told == [(e["verb"], e["component"], tuple(e["hosts"])) for e in events if e["event"] == "step"]
    blocks = {(plan.steps[e["number"] - 1].hosts, e["event"]) for e in events[1:-1] if plan.steps[e["number"] - 1].if_needed
              if e["event"] == "step" or e.get("why") == "not needed"}
    assert len({block for block, _ in blocks}) == len(blocks), "steps with one condition are done all or none"
