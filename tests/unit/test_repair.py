"""A framework that Mesos has removed: what is stored of it, what is deleted, and when a repair is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner.components import component
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.hosts.zookeeper import Node
from provisioner.inventory.starter import write_inventory
from provisioner.observe.observation import HostObservation, Observation
from provisioner.plan.steps import Plan
from provisioner.run.engine import Result
from provisioner.run.framework_store import Kept, forget, kept, store_of
from provisioner.verbs.repair import Options, work
from provisioner.verbs.repair.work import refuse, run_repair

GONE, NEW = "ca42257c-d92e-4841-8868-1afd0edbd8ff-0000", "ca42257c-d92e-4841-8868-1afd0edbd8ff-0005"
#: As Marathon writes it: a message with one field. Chronos wraps the same into an entry of Mesos' state.
STORED = Node("/marathon/state/framework-id/b/id", b"\x0a\x29" + GONE.encode(), ())
VARIABLES = {"marathon_zk_url": "zk://marathon:{{ vault/x }}@192.0.2.1:2181,192.0.2.2:2181/marathon", "chronos_zk_path": "/chronos/state"}


class Tree:
    """ZooKeeper's nodes by path; `deleted` in their order."""

    def __init__(self, *paths: str) -> None:
        self.nodes = {path: Node(path, GONE.encode(), ()) for path in sorted(paths)}
        self.deleted: list[str] = []

    def walk(self, left_out: Sequence[str] = (), top: str = "/") -> Iterator[Node]:
        yield from [node for path, node in self.nodes.items() if path == top or path.startswith(f"{top}/")]

    def delete(self, path: str) -> None:
        assert not [p for p in self.nodes if p.startswith(f"{path}/")], "a node with children can't be deleted"
        del self.nodes[path]
        self.deleted.append(path)


def test_the_paths_are_those_of_the_programs() -> None:
    marathon = store_of("marathon", VARIABLES)
    assert (marathon.identity, marathon.instances) == ("/marathon/state/framework-id/b/id", "/marathon/state/instance")
    assert abs(sum(ord(c) * 31 ** (1 - i) for i, c in enumerate("id"))) % 16 == 0xB, "the bucket of Java's hash of 'id'"
    plain = store_of("marathon", {"marathon_zk_url": "zk://192.0.2.1:2181/a/b"})
    assert plain.identity == "/a/b/state/framework-id/b/id"
    assert store_of("chronos", VARIABLES).identity == "/chronos/state/state/frameworkId"


def test_id_and_instances_go_and_the_id_last() -> None:
    tree = Tree("/marathon/state/apps/1/x", "/marathon/state/framework-id/b/id", "/marathon/state/instance",
                "/marathon/state/instance/3", "/marathon/state/instance/3/web.instance-1", "/marathon/state/instances-not")
    found = kept(tree, store_of("marathon", VARIABLES))
    assert found.is_of(GONE) and not found.is_of(NEW)
    forget(tree, found)
    assert tree.deleted[-1] == "/marathon/state/framework-id/b/id" and "/marathon/state/instance/3/web.instance-1" in tree.deleted
    assert set(tree.nodes) == {"/marathon/state/apps/1/x", "/marathon/state/instance", "/marathon/state/instances-not"}
    forget(tree, kept(tree, store_of("marathon", VARIABLES)))
    assert kept(Tree(), store_of("chronos", VARIABLES)) == Kept(None, ())


def seen(framework: str = "", state: str = "down") -> Observation:
    health = {"state": state, "leader": True, "detail": "leads", "facts": {"framework": framework}}
    return Observation({"m1": HostObservation(True, health={"marathon": health, "zookeeper": {"state": "ok"}})})


def row(identity: str, *, gone: bool, name: str = "marathon") -> dict[str, Any]:
    return {"id": identity, "name": name, "hostname": "192.0.2.1", "active": not gone, "connected": not gone, "removed": gone, "since": 0.0}


def refused(found: Observation, stored: Node | None, *rows: dict[str, Any], instances: tuple[Node, ...] = ()) -> str:
    return refuse(component("marathon"), "marathon", found, Kept(stored, instances), rows)


@pytest.mark.parametrize(("framework", "stored", "rows", "old"), [
    ("removed", STORED, [row(GONE, gone=True)], GONE),
    ("removed", STORED, [], ""),  # a new Mesos leader does not know of it, the members' logs do
    ("", STORED, [row(GONE, gone=True)], GONE),  # a repair that was broken off after the members had stopped
    ("", None, [row(GONE, gone=True)], GONE),  # … after the id was deleted
    ("", None, [], ""),
])
def test_it_goes_on_where_mesos_removed_the_framework(framework: str, stored: Node | None, rows: list[Any], old: str) -> None:
    assert refused(seen(framework), stored, *rows) == old


@pytest.mark.parametrize(("found", "stored", "rows", "says"), [
    (seen("registered", "ok"), STORED, [row(GONE, gone=False)], "nothing to repair: Mesos lists Marathon's framework as active"),
    (seen("missing"), STORED, [row(GONE, gone=False)], f"Mesos still has Marathon's framework {GONE}"),
    (seen("missing"), None, [row(NEW, gone=False)], f"Mesos still has Marathon's framework {NEW}"),
    (seen("missing"), STORED, [row(NEW, gone=True)], "neither Mesos nor Marathon reports that the framework was removed"),
])
def test_it_is_refused_where_something_else_is_the_matter(found: Observation, stored: Node | None, rows: list[Any], says: str) -> None:
    with pytest.raises((UsageError, StepFailed), match=says):
        refused(found, stored, *rows)


def test_records_of_instances_go_only_where_mesos_or_marathon_says_that_the_framework_was_removed() -> None:
    records = (Node("/marathon/state/instance/3", b"", ()),)
    with pytest.raises(StepFailed, match="neither Mesos nor Marathon reports that the framework was removed"):
        refused(seen("missing"), None, instances=records)
    assert refused(seen("removed"), None, instances=records) == ""


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Context, Tree, list[str]]:
    """A cluster whose Marathon was removed: its context, ZooKeeper's tree, and what was done in turn."""
    opened, tree, done = Context(write_inventory(tmp_path)), Tree(STORED.path), list[str]()
    names = [h.name for h in opened.cluster.hosts]
    answers = [seen("removed"), seen("removed"), seen("registered", "ok")]

    def look(*_: Any, **__: Any) -> Observation:
        found = (answers.pop(0) if len(answers) > 1 else answers[0]).hosts["m1"]
        return Observation({name: found if name == "m1" else HostObservation(True) for name in names})

    class Opened:
        def __enter__(self) -> Any:
            return tree

        def __exit__(self, *_: object) -> None:
            done.append("closed")

    monkeypatch.setattr(work, "observe", look)
    monkeypatch.setattr(work, "_mesos", lambda _: [row(GONE, gone=True)])
    monkeypatch.setattr(work, "_tree", lambda *_: Opened())
    monkeypatch.setattr(work, "locked", lambda *_, **__: Opened())

    def execute(context: Context, console: Console, plan: Plan, held: Any, *, also: Any, **_: Any) -> Result:
        for step in plan.steps:
            done.append(f"{step.verb} on {', '.join(step.hosts)} with {len(tree.nodes)} nodes")
            if step.verb in also:
                also[step.verb](step, step.hosts, lambda event: None)
        return Result("c")


    monkeypatch.setattr(work, "execute", execute)
    return opened, tree, done


def options(component: str = "marathon", yes: str = "") -> Options:
    return Options(component, yes)


def test_all_members_stop_before_the_id_goes_and_start_after_it(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    opened, tree, done = context
    run_repair(opened, Console(), options(yes=opened.cluster.name))
    assert [line for line in done if line != "closed"] == [
        "stop on m1, m2, m3 with 1 nodes", "forget on m1 with 1 nodes", "restart on m1, m2, m3 with 0 nodes"]
    assert tree.deleted == [STORED.path]
    said = " ".join(capsys.readouterr().err.split())
    for part in (f"removed by Mesos: {GONE}", "persistent volumes stay", "Marathon leads on m1 with the new framework"):
        assert part in said


def test_nothing_is_touched_before_the_clusters_name_is_given(context: Any, capsys: pytest.CaptureFixture[str]) -> None:
    opened, tree, done = context
    with pytest.raises(UsageError, match="was not typed"):
        run_repair(opened, Console(), options(yes="another"))
    assert not tree.deleted and set(done) == {"closed"}
    assert "forget Marathon on m1" in capsys.readouterr().err, "who is asked has seen the plan"


def test_a_leader_that_registered_while_the_name_was_typed_keeps_its_framework(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, tree, done = context
    lists = [[row(GONE, gone=True)], [row(GONE, gone=False)]]
    monkeypatch.setattr(work, "_mesos", lambda _: lists.pop(0))
    with pytest.raises(StepFailed, match=f"nothing was changed: Mesos still has Marathon's framework {GONE}"):
        run_repair(opened, Console(), options(yes=opened.cluster.name))
    assert not tree.deleted and set(done) == {"closed"}


def test_a_member_that_does_not_answer_stops_it_as_it_would_bring_the_old_id_back(context: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, tree, _ = context
    away = Observation({h.name: HostObservation(h.name != "m2", "no route") for h in opened.cluster.hosts})
    monkeypatch.setattr(work, "observe", lambda *_, **__: away)
    with pytest.raises(UnreachableError, match="m2 does not answer, and Marathon has to stop there as well"):
        run_repair(opened, Console(), options(yes=opened.cluster.name))
    assert not tree.deleted


def test_what_is_no_framework_is_refused(context: Any) -> None:
    with pytest.raises(UsageError, match="'zookeeper' has no framework to repair"):
        run_repair(context[0], Console(), options("zookeeper"))
