"""What happens before anything is changed, and what of it decides whether anything may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.cluster.facts import to_ansible_facts
from provisioner.cluster.model import Cluster, Host
from provisioner.components import component
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, StoppedError, UnreachableError, UsageError
from provisioner.hosts.known_hosts import KnownHosts, record
from provisioner.hosts.login import login
from provisioner.hosts.openssh import Completed
from provisioner.inventory.starter import write_inventory
from provisioner.observe import preflight as preflights
from provisioner.observe.observation import HostObservation, Observation
from provisioner.observe.preflight import Report
from provisioner.observe.preflight.report import Finding
from provisioner.plan.assess import Assessment, refuse_lost_voters, refuse_unfit, warnings
from provisioner.plan.saved import SavedPlan
from provisioner.plan.scope import Scope
from provisioner.plan.steps import Plan, Step
from provisioner.run import execute as executing
from provisioner.run.engine import Engine
from provisioner.run.prepare import (
    ASSESSING,
    TO_CHANGE,
    TO_KEEP,
    TO_SHOW,
    Preparation,
    ask_once,
    check_scope,
    keep_identity,
    prepared,
    warn,
)
from provisioner.state import fact_cache, ledger
from provisioner.verbs import up
from provisioner.verbs.up import Options
from provisioner.verbs.up.work import run_up
from provisioner_lab.testing import Call, FakeTransport, probed, said
from tests.unit.builders import facts

HOSTS = (*(Host(n, "192.0.2.1", groups=frozenset({"zookeeper", "mesos_master"})) for n in ("m1", "m2", "m3")),
         Host("a1", "192.0.2.9", groups=frozenset({"mesos_agent"})))


CLUSTER = Cluster("c", Path("/nowhere/inventory.yml"), HOSTS)


def judge(*findings: Finding, away: tuple[str, ...] = ()) -> list[str]:
    """The warnings, where nothing is refused."""
    report = Report(tuple(findings), {}, {name: UnreachableError("away") for name in away})
    refuse_unfit(report, CLUSTER)
    return [*warnings(report)]


def away(host: str) -> Finding:
    return Finding("fail", host, "reachable", "it does not answer", "switch it on")


def test_a_host_that_a_quorum_needs_stops_everything() -> None:
    with pytest.raises(UnreachableError, match=r"nothing was changed(.|\n)*m2: it does not answer(.|\n)*switch it on"):
        judge(away("m2"), away("a1"), away=("m2", "a1"))


def test_an_agent_that_is_away_stops_nobody() -> None:
    judge(away("a1"), away=("a1",))


def test_a_host_that_is_not_fit_stops_everything() -> None:
    with pytest.raises(StepFailed, match=r"nothing was changed(.|\n)*a1: 3 MB free"):
        judge(Finding("fail", "a1", "disk", "3 MB free"))


def test_a_warning_stops_nothing() -> None:
    assert judge(Finding("warn", "m1", "memory", "little")) == ["m1: little"]


def test_the_same_on_many_hosts_is_told_once() -> None:
    names = [f"a{number}" for number in range(1, 998)]
    assert judge(*(Finding("warn", name, "hostname", f"its own name {name} is 127.0.1.1") for name in names),
                 Finding("warn", "m1", "memory", "little")) == ["a1: its own name a1 is 127.0.1.1; the same on a[2:997]", "m1: little"]
    with pytest.raises(StepFailed, match=r"a1: 3 MB free; the same on a\[2:997\]\n    → make room"):
        judge(*(Finding("fail", name, "disk", "3 MB free", "make room") for name in names))


KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIA" + "A" * 42


def calm(request: dict[str, Any]) -> dict[str, Any]:
    """A host on which everything is as applied, and works."""
    return {"facts": facts(), "health": {name: {"state": "ok"} for name in request["health"]},
            "unsettled": dict.fromkeys(request.get("applied", {}), "")}


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """Three masters and two agents whose keys and facts were kept by an earlier look."""
    found: Any = Context(write_inventory(tmp_path), transport=FakeTransport())
    fact_cache.keep(found.cluster, {h.name: to_ansible_facts(facts()) for h in found.cluster.hosts})
    record(found.cluster, [f"{login(h).known_as} ssh-ed25519 {KEY}" for h in found.cluster.hosts])
    return found


ONE_QUESTION = (check_scope, warn, ask_once)


def asked(context: Any, *, drift: str = "", changed: str = "", away: str = "",
          only: Sequence[str] = (), approved: SavedPlan | None = None) -> tuple[Assessment | None, Mapping[str, UnreachableError]]:
    """One question to hosts of which one may have a drifted component, other facts, or no answer; and which were silent."""
    def host(name: str) -> Any:
        def answer(call: Call) -> Completed:
            if not call.request:
                return said()
            found = calm(call.request)
            if name == drift and "common" in found["unsettled"]:
                found["unsettled"]["common"] = "/etc/hosts was edited"
            if name == changed:
                found["facts"]["machine_id"] = "f" * 32
            return probed(**found)

        return UnreachableError("no route") if name == away else answer

    context.transport.behaviour = {h.name: host(h.name) for h in context.cluster.hosts}
    with prepared(context, Console(), Scope(only=tuple(only)), ONE_QUESTION, approved=approved) as done:
        return done.found, done.silent


def test_a_living_cluster_is_what_it_was_until_the_first_change(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the one that a refused run would have made of it: a later inventory may say nothing of it."""
    ledger.save(context.cluster, replace(context.ledger, access="open"))
    path = context.path
    path.write_text(path.read_text().replace("cluster_name:", "cluster_access: closed\n    cluster_name:"))
    switching = Context(path, transport=FakeTransport())
    with prepared(switching, Console(), Scope(), (check_scope, warn, keep_identity)):
        assert "this cluster becomes closed, as cluster_access says" in capsys.readouterr().err
    assert (switching.ledger.access, ledger.load(switching.cluster).access) == ("closed", "open")


def test_a_run_that_switches_a_cluster_says_so_before_its_first_change(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends it then, what has become of the cluster is not known as a whole."""
    ledger.save(context.cluster, replace(context.ledger, access="open"))
    path = context.path
    path.write_text(path.read_text().replace("cluster_name:", "cluster_access: closed\n    cluster_name:"))
    switching = Context(path, transport=FakeTransport())
    monkeypatch.setattr(executing, "open_playbooks", lambda *_: nullcontext())
    monkeypatch.setattr(executing, "owners", lambda _: None)

    def cut_off(*_: Any) -> None:
        raise StoppedError("somebody stopped it")

    monkeypatch.setattr(Engine, "run", cut_off)
    with pytest.raises(StoppedError):
        executing.execute(switching, Console(), Plan("c", (Step(component("common"), ("m1",)),)), held=None, facts={})  # type: ignore[arg-type]
    found = ledger.load(context.cluster)
    assert (found.access, found.switching) == ("closed", True)
    assert "only in part closed" in Context(path).access_doubt


def test_a_switch_is_completed_by_a_run_that_found_the_whole_cluster_so(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ledger.save(context.cluster, replace(context.ledger, access="closed", switching=True))
    asked(context)
    begun = Context(context.path, transport=context.transport)
    for options, left in ((Options(limit="m1"), True), (Options(only=("zookeeper",)), True), (Options(), False)):
        run_up(begun, Console(), options)
        assert ledger.load(context.cluster).switching is left


def test_with_nothing_to_do_every_host_is_asked_once(context: Any) -> None:
    found, silent = asked(context)
    assert found is not None and (found.plan.steps, silent) == ((), {})
    probes = [call for call in context.transport.calls if call.request]
    assert sorted(call.host for call in probes) == sorted(h.name for h in context.cluster.hosts)
    assert max(len(call.command) + len(call.stdin) for call in probes) <= 20 * 1024, "bytes to a host that runs nearly everything"


def test_up_never_ends_well_over_a_removed_framework_also_with_nothing_to_do(context: Any) -> None:
    def host(call: Call) -> Completed:
        found = calm(call.request) if call.request else {}
        if "chronos" in found.get("health", {}):
            found["health"]["chronos"] = {"state": "down", "leader": True, "detail": "leads, but", "facts": {"framework": "removed"}}
        return probed(**found) if found else said()

    context.transport.behaviour = {h.name: host for h in context.cluster.hosts}
    with prepared(context, Console(), Scope(), ONE_QUESTION) as done:
        assert done.over and done.assessment.plan.steps == (), "no role brings it back"
    with pytest.raises(StepFailed, match="Chronos: Mesos has removed the framework") as error:
        run_up(context, Console(), Options())
    assert "'provision repair chronos'" in error.value.hint


def test_only_the_hosts_of_what_is_named_are_asked_and_only_about_that(context: Any) -> None:
    found, _ = asked(context, only=["zookeeper"])
    assert found is not None and found.plan.steps == ()
    probes = {call.host: set(call.request["applied"]) | set(call.request["health"]) for call in context.transport.calls}
    assert probes == {h.name: {"zookeeper"} for h in context.cluster.members("zookeeper")}
    assert asked(context, only=["docker"], drift="m1")[0] is not None, "what drifted is another component's"
    assert asked(context, only=["common"], drift="m1")[0] is None


@pytest.mark.parametrize("how", ["drift", "changed"])
def test_anything_else_than_nothing_is_looked_at_thoroughly(context: Any, how: str) -> None:
    """Also other facts alone: the digest that the host compared was made of the old ones."""
    name = context.cluster.hosts[0].name
    assert asked(context, **{how: name}) == (None, {})


def test_without_kept_facts_of_every_host_nobody_is_asked(context: Any) -> None:
    (context.cluster.state_dir / "facts.json").write_text("no JSON")
    assert asked(context) == (None, {})
    assert context.transport.calls == []


def test_a_silent_agent_costs_one_look_where_nothing_else_is_to_be_done(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    name = "a1"
    found, _ = asked(context, away=name)
    assert found is not None and [*found.plan.steps, *found.unreachable] == [name]
    assert f"{name}: no route" in capsys.readouterr().err
    with pytest.raises(UnreachableError, match=f"not reached: {name}"):
        up.run(context, Console(), Options())


def test_where_no_host_that_is_asked_for_answers_nothing_is_called_up_to_date(context: Any) -> None:
    asked(context, away="a1")
    with pytest.raises(UnreachableError, match="nothing was done: a1 does not answer: no route"):
        up.run(context, Console(), Options(limit="a1"))


def test_a_silent_host_that_votes_or_beside_something_to_do_is_for_a_closer_look_that_does_not_wait_again(context: Any) -> None:
    for found, silent, name in ((*asked(context, away="m3"), "m3"), (*asked(context, away="a1", drift="m2"), "a1")):
        assert (found, set(silent), silent[name].message) == (None, {name}, "no route")


@pytest.mark.parametrize(("only", "away"), [((), ""), (("zookeeper",), ""), ((), "a1")])
def test_a_closer_look_asks_the_same_questions_so_that_a_saved_plan_still_fits(
        context: Any, monkeypatch: pytest.MonkeyPatch, only: tuple[str, ...], away: str) -> None:
    found, _ = asked(context, away=away, only=only)
    lost = {away: UnreachableError("no route")} if away else {}
    seen = Report((), {h.name: facts() for h in context.cluster.hosts if h.name != away}, lost)
    monkeypatch.setattr(preflights, "preflight", lambda *_, **__: seen)
    with prepared(context, Console(), Scope(only=only), ASSESSING) as done:
        assert found is not None and found.questions == done.assessment.questions


def test_where_a_key_is_not_known_nobody_is_asked(context: Any) -> None:
    KnownHosts.of(context.cluster).path.unlink()
    assert asked(context) == (None, {})
    assert context.transport.calls == []


def test_one_question_is_all_that_a_host_gets_when_it_needs_nothing(context: Any) -> None:
    """No lock, no second connection: the lock's holder would be one more on every host that votes."""
    asked(context)
    transport = context.transport
    transport.calls.clear()
    assert run_up(context, Console(), Options()).changed == 0
    assert sorted(call.host for call in transport.calls) == sorted(h.name for h in context.cluster.hosts)


def test_a_saved_plan_is_worth_a_closer_look_also_where_nothing_seems_to_be_done(context: Any) -> None:
    assert asked(context, approved=SavedPlan(Path("plan.json"), "c", Scope(), (), "")) == (None, {})
    assert context.transport.calls == []


def test_what_is_named_exists_before_anything_is_said_or_asked(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for scope, text in ((Scope(only=("zoo",)), "--only: no component 'zoo'"), (Scope(limit="m9"), "--limit: no host or group 'm9'")):
        with pytest.raises(UsageError, match=text), prepared(context, Console(), scope):
            pass
    assert capsys.readouterr().err == ""


def test_phases_end_where_one_finds_that_all_is_over_and_what_they_hold_is_given_back(context: Any) -> None:
    happened: list[str] = []

    def hold(so_far: Preparation) -> Preparation:
        so_far.resources.callback(happened.append, "given back")
        return replace(so_far, over=True)

    def never(so_far: Preparation) -> Preparation:
        raise AssertionError("it went on")

    with prepared(context, Console(), Scope(), (hold, never)):
        happened.append("done")
    assert happened == ["done", "given back"]


def test_a_plan_that_is_shown_takes_no_lock_and_hands_out_ids_and_secrets_only_where_it_is_kept() -> None:
    names = {phases: [phase.__name__ for phase in phases] for phases in (TO_CHANGE, TO_SHOW, TO_KEEP)}
    assert {*names[TO_CHANGE]} - {*names[TO_SHOW]} == {"keep_identity", "take_lock", "take_authority"}
    assert {*names[TO_CHANGE]} - {*names[TO_KEEP]} == {"take_lock"}
    assert names[TO_KEEP].index("keep_identity") < names[TO_KEEP].index("ask_once"), "secrets are part of the question"
    for phases in (TO_CHANGE, TO_KEEP):
        assert names[phases].index("inspect_hosts") < names[phases].index("take_authority") < names[phases].index("observe_hosts")
    assert names[TO_CHANGE].index("ask_once") < names[TO_CHANGE].index("keep_identity"), "a rerun with nothing to do writes nothing"


def test_a_voter_that_is_lost_between_preflight_and_plan_stops_everything() -> None:
    seen = Observation({h.name: HostObservation(h.name not in ("m2", "a1"), "no route") for h in HOSTS})
    found = Assessment(Plan("c", ()), seen, {}, {}, frozenset(seen.silent()), {})
    with pytest.raises(UnreachableError, match=r"nothing was changed.*m2, which a quorum needs, no longer answers: no route"):
        refuse_lost_voters(found, CLUSTER)
    refuse_lost_voters(replace(found, unreachable=frozenset({"a1"})), CLUSTER)
