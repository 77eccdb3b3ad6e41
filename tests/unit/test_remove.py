"""Hosts that leave: what happens in which order, under one lock, and what becomes of the inventory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from provisioner.components import COMPONENTS
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import InventoryError, StepFailed, UnreachableError, UsageError
from provisioner.inventory.load import load
from provisioner.inventory.starter import write_inventory
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.steps import Plan
from provisioner.run.engine import Result
from provisioner.state import ledger
from provisioner.verbs.remove import Options, work
from provisioner.verbs.remove.work import run_remove
from provisioner_lab.testing import FakeTransport

HEALTHY = {component.name: {"state": "ok"} for component in COMPONENTS}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """The cluster of the example, whose inventory others may read."""
    path = write_inventory(tmp_path)
    path.chmod(0o644)
    return Context(path, transport=FakeTransport())


@pytest.fixture
def events(context: Context, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done in turn, on hosts that are well."""
    done: list[str] = []

    @contextmanager
    def locked(*_: Any, **__: Any) -> Iterator[str]:
        done.append("lock")
        yield "the lock"
        done.append("release")

    @contextmanager
    def prepared(rest: Context, *_: Any, **__: Any) -> Iterator[Any]:
        done.append(f"look at {', '.join(h.name for h in rest.cluster.hosts)}")
        yield type("Ready", (), {"assessment": "found"})

    def execute(_: Any, __: Any, plan: Plan, held: str, **___: Any) -> Result:
        done.extend(f"{step.verb} {step.component.name} on {', '.join(step.hosts)}" for step in plan.steps)
        assert held == "the lock"
        return Result(plan.cluster)

    def carry_out(rest: Context, _: Any, found: str, held: str, *, yes: bool) -> Result:
        assert (found, held, yes) == ("found", "the lock", True), "nobody is asked twice"
        done.append("up")
        return Result(rest.cluster.name, changed=1)

    monkeypatch.setattr(work, "observe", lambda cluster, *_, **__: Observation(
        {h.name: HostObservation(True, health=HEALTHY) for h in cluster.hosts}))
    for name, fake in (("locked", locked), ("prepared", prepared), ("execute", execute), ("carry_out", carry_out)):
        monkeypatch.setattr(work, name, fake)
    return done


def test_hosts_leave_and_the_rest_is_brought_up_under_one_lock(context: Context, events: list[str]) -> None:
    assert run_remove(context, Console(), Options(("a2",), yes="a2")).changed == 1
    assert (events.count("lock"), events[0], events[-3:]) == (1, "lock", ["look at a1, m1, m2, m3", "up", "release"])
    agent = [event for event in events if "mesos_agent" in event]
    assert agent == ["drain mesos_agent on a2", "remove mesos_agent on a2"]


def test_the_inventory_keeps_all_else_and_its_mode_and_nothing_is_left_beside_it(context: Context, events: list[str]) -> None:
    before = context.path.read_text().splitlines()
    run_remove(context, Console(), Options(("a2",), yes="a2"))
    after = context.path.read_text().splitlines()
    gone = [line for line in before if line not in after]
    assert [line.strip() for line in gone] == ["a2:", "ansible_host: 192.0.2.22"]
    assert [h.name for h in load(context.path).hosts] == ["a1", "m1", "m2", "m3"]
    assert context.path.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in context.path.parent.iterdir()) == [".provision", "inventory.yml"]


def test_an_id_that_left_is_retired_before_the_rest_is_looked_at(context: Context, events: list[str]) -> None:
    three = "        m3:\n          ansible_host: 192.0.2.13\n"
    context.path.write_text(context.path.read_text().replace(three, three + three.replace("3", "4") + three.replace("3", "5")))
    ledger.save(context.cluster, context.ledger)
    run_remove(context, Console(), Options(("m4", "m5"), yes="m4 m5"))
    assert ledger.load(context.cluster).retired_ids == {4: "m4", 5: "m5"}


def test_nothing_is_touched_that_was_not_confirmed_or_is_not_there(context: Context, events: list[str]) -> None:
    before = context.path.read_text()
    with pytest.raises(UsageError, match="a2 was not typed"):
        run_remove(context, Console(), Options(("a2",)))
    with pytest.raises(UsageError, match="not in the inventory: x9\n→ hosts: a1, a2, m1"):
        run_remove(context, Console(), Options(("x9",), yes="x9"))
    with pytest.raises(InventoryError, match="nothing was changed: without m3 this would be no valid inventory: there are 2 hosts"):
        run_remove(context, Console(), Options(("m3",), yes="m3"))
    assert context.path.read_text() == before and "up" not in events


def test_what_was_not_confirmed_and_can_not_be_is_refused_before_any_host_is_looked_at(context: Context, events: list[str]) -> None:
    for yes in ("", "a1"):
        with pytest.raises(UsageError, match="nothing was changed: a2 was not typed"):
            run_remove(context, Console(), Options(("a2",), yes=yes))
    assert events == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A directory in which this process can read everything and write nothing; also where tests are run by root."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    before = [(each, each.stat().st_mode) for each in (*folder.parents, folder)]
    yield folder
    if os.geteuid() != os.getuid():
        os.seteuid(os.getuid())
    for each, mode in before:
        each.chmod(mode)


def deny(folder: Path) -> None:
    for each in folder.parents:
        if each.stat().st_uid == os.getuid():
            each.chmod(each.stat().st_mode | 0o055)
    folder.chmod(0o555)
    if os.getuid() == 0:
        os.seteuid(65534)


def test_an_inventory_that_can_not_be_changed_is_refused_before_any_host_is(
        read_only: Path, events: list[str]) -> None:
    context = Context(write_inventory(read_only), transport=FakeTransport())
    context.path.chmod(0o644)
    context.rendered  # noqa: B018  # what is imported late is imported before another user may not
    deny(read_only)
    with pytest.raises(UsageError) as error:
        run_remove(context, Console(), Options(("a2",), yes="a2"))
    assert str(error.value) == f"{read_only}: files can't be written here\n→ make the directory writable for you"
    assert events == []


def test_an_inventory_behind_a_link_stays_behind_it(context: Context, events: list[str], tmp_path: Path) -> None:
    real = context.path.rename(tmp_path / "real.yml")
    context.path.symlink_to(real)
    run_remove(context, Console(), Options(("a2",), yes="a2"))
    assert context.path.is_symlink()
    assert "a2:" not in real.read_text()


@pytest.mark.parametrize(("host", "state", "error", "message"), [
    ("a2", None, UnreachableError, "a2 does not answer"),
    ("m1", None, UnreachableError, "m1 does not answer and would stay: no route"),
    ("m1", "down", StepFailed, "is down on m1, and would stay so"),
])
def test_it_is_refused_while_something_is_wrong(context: Context, events: list[str], monkeypatch: pytest.MonkeyPatch, host: str,
                                                state: str | None, error: type[Exception], message: str) -> None:
    def seen(name: str) -> HostObservation:
        if name != host:
            return HostObservation(True, health=HEALTHY)
        return HostObservation(state is not None, "no route", health={c: {"state": state} for c in HEALTHY} if state else {})

    monkeypatch.setattr(work, "observe", lambda cluster, *_, **__: Observation({h.name: seen(h.name) for h in cluster.hosts}))
    monkeypatch.setattr("provisioner.observe.wait.CALM_SECONDS", 0)
    with pytest.raises(error, match=message):
        run_remove(context, Console(), Options(("a2",), yes="a2"))
    assert "up" not in events
