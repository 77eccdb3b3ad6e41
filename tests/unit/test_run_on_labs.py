"""The runner of all that needs labs: what it runs in which order, what gets a second try, and what its report says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner_lab.model import is_name
from tests.lab import run
from tests.lab.support import scenarios
from tests.lab.support.checkout import SHARED


def test_without_names_it_is_everything_own_labs_first_and_clusters_last() -> None:
    names = run.chosen([], [], short=False)
    assert names == [run.OWN_LABS, *scenarios.roles(), *scenarios.clusters()]


def test_what_is_marked_nightly_is_left_out_of_a_short_run() -> None:
    short = run.chosen([], [], short=True)
    assert {*run.chosen([], [], short=False)} - {*short} == {
        "logstash", "authentication", "chaos", "closing", "drift", "failover", "locks", "rebuild", "rotate", "scale", "strange_requests",
        "upgrade"}


def test_groups_and_names_are_taken_in_the_order_given() -> None:
    assert run.chosen(["roles", "rerun"], ["logstash", "mesos"], short=False) == [
        *(role for role in scenarios.roles() if role not in ("logstash", "mesos")), "rerun"]


def test_a_name_that_nothing_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"nothing is called default: one of .*\bmain_job\b"):
        run.chosen(["default"], [], short=False)


def test_a_cluster_is_tested_on_the_shared_lab_and_own_labs_are_not() -> None:
    assert f"--provision-lab={SHARED}" in run.commands("rerun", short=False)[1]
    for name in (run.OWN_LABS, "ways_in"):
        assert not any(word.startswith("--provision") for word in run.commands(name, short=False)[1])
    assert run.commands("zookeeper", short=False)[1] == ["molecule", "test", "--destroy", "never", "--scenario-name", "zookeeper"]


@pytest.fixture
def failing_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command that fails the first time and passes the second; the file that it leaves."""
    tried = tmp_path / "tried"
    script = f"""echo '3.50s call     test_it.py::test_slow'
        if [ -e {tried} ]; then exit 0; fi; touch {tried}; echo 'FAILED test_it.py::test_it - no time'; exit 1"""
    monkeypatch.setattr(run, "commands", lambda name, **_: ([], ["sh", "-c", script]))
    return tried


@pytest.mark.parametrize("name", ["rerun", "zookeeper", run.OWN_LABS])
def test_what_failed_is_tried_again_and_the_report_says_so(failing_once: Path, name: str) -> None:
    end = run.run_twice(name, {})
    assert end.passed
    said = run.report({name: end}, 7.0)
    assert "passed at the second try" in said
    assert f"{name}: FAILED test_it.py::test_it - no time" in said
    assert said.splitlines()[-1].split() == ["4", "s", f"{name}:", "test_it.py::test_slow"]


def test_tests_with_labs_of_their_own_run_beside_the_others_and_what_failed_of_them_again_alone(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    met = tmp_path / "met"

    def command(name: str, *, short: bool, again: bool, lab: str) -> tuple[list[str], list[str]]:
        wait = f"for i in $(seq 100); do [ ! -e {met} ] || break; sleep 0.1; done; [ -e {met} ] && echo {name} met"
        own = "echo 'FAILED test_it.py::test_it - no time'; exit 1" if not again else "echo own again"
        return [], ["sh", "-c", f"touch {met}; {own}" if name == run.OWN_LABS else wait]

    monkeypatch.setattr(run, "commands", command)
    results = run.run_all([run.OWN_LABS, "rerun"], {})
    assert {name: str(end) for name, end in results.items()} == {"rerun": "passed", run.OWN_LABS: "passed at the second try"}
    assert capfd.readouterr().out.splitlines() == ["rerun met", "FAILED test_it.py::test_it - no time", "", "own again"]


def test_the_second_lab_is_another_one_with_a_name_that_labs_can_have() -> None:
    assert run.SECOND != SHARED and is_name(run.SECOND)


def test_clusters_have_a_lab_of_their_own_beside_the_roles(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def command(name: str, *, short: bool, again: bool, lab: str) -> tuple[list[str], list[str]]:
        return [], ["sh", "-c", f"echo {name} on {lab}"]

    monkeypatch.setattr(run, "commands", command)
    run.run_all([run.OWN_LABS, "zookeeper", "mesos", "rerun", "audit"], {})
    said = capfd.readouterr().out.split("\n")
    assert said[:2] == [f"zookeeper on {SHARED}", f"mesos on {SHARED}"]
    assert said[3:5] == [f"rerun on {run.SECOND}", f"audit on {run.SECOND}"], "after own labs, in the same lane"
    run.run_all([run.OWN_LABS, "rerun"], {})
    assert f"rerun on {SHARED}" in capfd.readouterr().out, "no roles, no second lab"


def test_only_what_failed_of_tests_with_labs_of_their_own_runs_again() -> None:
    assert "--last-failed" in run.commands(run.OWN_LABS, short=True, again=True)[1]
    assert "--last-failed" not in run.commands(run.OWN_LABS, short=True)[1]


def test_settings_reach_the_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["sh", "-c", "echo $ANSIBLE_STRATEGY $KEEP_LAB"]
    monkeypatch.setattr(run, "commands", lambda name, **_: ([], command))
    assert run.run("zookeeper", {**os.environ, "ANSIBLE_STRATEGY": "mitogen_linear"}).passed
    assert capfd.readouterr().out == "mitogen_linear 1\n"
