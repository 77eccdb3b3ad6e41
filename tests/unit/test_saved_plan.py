"""A plan in a file is done as it is, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.cli import main
from provisioner.components import component
from provisioner.errors import StepFailed, UsageError
from provisioner.inventory.starter import write_inventory
from provisioner.observe.observation import Observation
from provisioner.plan.assess import Assessment
from provisioner.plan.saved import recall, refuse_moved, save
from provisioner.plan.scope import Scope
from provisioner.plan.steps import Plan, Step
from provisioner.verbs import plan, up

ZOOKEEPER = component("zookeeper")


def look(*steps: Step, cluster: str = "test", digest: str = "d1") -> Assessment:
    witnesses = {"m1": {"zookeeper": {"witness": {}, "digest": digest}}}
    return Assessment(Plan(cluster, steps), Observation({}), {}, witnesses, frozenset(), {})


ROLL = Step(ZOOKEEPER, ("m2", "m3", "m1"), batch=1, all_or_none=True, why="zoo.cfg was edited")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    save(path, look(ROLL), plan.Options(only=("zookeeper",), batch="2", out=str(path), json=True))
    return path


def test_the_same_look_passes_with_the_options_of_the_plan(file: Path) -> None:
    saved = recall(file, up.Options(strict=True, plan=str(file), yes=True))
    refuse_moved(saved, look(ROLL))
    assert saved.scope == Scope(only=("zookeeper",), batch="2", strict=True)
    assert file.stat().st_mode & 0o077 == 0


def test_another_leader_is_no_other_plan(file: Path) -> None:
    refuse_moved(recall(file, Scope()), look(replace(ROLL, hosts=("m3", "m1", "m2"))))


@pytest.mark.parametrize(("now", "said"), [
    (look(), "-up zookeeper on m1, m2, m3"),
    (look(ROLL, Step(component("marathon"), ("m1",))), "+up marathon on m1"),
    (look(replace(ROLL, hosts=("m1", "m2"))), "+up zookeeper on m1, m2,"),
    (look(replace(ROLL, why="java is missing")), "java is missing"),
    (look(replace(ROLL, if_needed="reboot")), "1 at a time, if needed"),
    (look(replace(ROLL, variables={"zookeeper_servers": [1]})), "zookeeper_servers"),
    (look(ROLL, digest="d2"), "the steps are the same"),
    (look(ROLL, cluster="other"), "made for cluster test, this is other"),
])
def test_whatever_moved_is_named_and_nothing_is_done(file: Path, now: Assessment, said: str) -> None:
    with pytest.raises(StepFailed, match="nothing was changed") as error:
        refuse_moved(recall(file, Scope()), now)
    assert said in error.value.message
    assert "plan --out" in error.value.hint


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"format": 0}', "not json", '{"format": 2, "options": 3}', '{"format": 2, "options": {"only": 1}}', "[" * 100_000,
])
def test_any_other_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="not a plan of this version"):
        recall(path, Scope())


def test_a_missing_file_and_options_of_ones_own_are_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        recall(tmp_path / "missing", Scope())
    with pytest.raises(UsageError, match="--full can't be given"):
        recall(file, Scope(full=True))


@pytest.mark.parametrize(("name", "value"), [
    ("only", "zookeeper"), ("only", [1]), ("limit", 3), ("full", "yes"), ("batch", 3), ("any_version", None),
])
def test_an_option_of_another_type_makes_it_another_file(file: Path, name: str, value: object) -> None:
    content = json.loads(file.read_text())
    content["options"][name] = value
    file.write_text(json.dumps(content))
    with pytest.raises(UsageError, match="not a plan of this version"):
        recall(file, Scope())


def test_a_batch_that_is_none_is_refused_like_on_the_command_line(file: Path) -> None:
    file.write_text(file.read_text().replace('"batch": "2"', '"batch": "abc"'))
    with pytest.raises(UsageError, match="--batch: 'abc' is not a number of hosts"):
        recall(file, Scope())


@pytest.mark.parametrize(("place", "said"), [("no/plan.json", "there is no such directory"), (".", "this is a directory, not a file")])
def test_a_place_that_can_not_hold_the_plan_is_refused_before_any_host_is_asked(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, said: str) -> None:
    inventory = write_inventory(tmp_path)
    assert main(["plan", "--hosts", str(inventory), "--out", str(tmp_path / place)]) == 2
    told = capsys.readouterr().err
    assert said in told and "looking at" not in told
    assert not (tmp_path / ".provision").exists()
