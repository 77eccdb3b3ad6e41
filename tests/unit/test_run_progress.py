"""What a run shows while it goes on."""

from __future__ import annotations

import pytest

from provisioner.components import component
from provisioner.console import Console, RunProgress
from provisioner.plan.steps import Step
from provisioner.run.engine import Result
from provisioner.run.outcome import Outcome


def test_a_step_is_named_as_the_plan_names_it_also_when_it_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    progress = RunProgress(Console())
    drain = Step(component("mesos_agent"), ("a1",), verb="drain", if_needed="reboot")
    progress.step(1, 2, drain)
    progress.done(drain, Outcome(changed=2), 1.5)
    progress.skipped(2, 2, Step(component("kernel"), ("a1",), verb="reboot", if_needed="reboot"), "not needed")
    done, skipped = capsys.readouterr().err.splitlines()
    assert done.split()[:7] == ["[1/2]", "drain", "Mesos", "agent", "a1", "2", "changed"]
    assert skipped.split() == ["[2/2]", "reboot", "a1", "not", "needed"]


def test_of_steps_side_by_side_each_is_named_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    progress = RunProgress(Console())
    consul, docker = Step(component("consul"), ("m1",)), Step(component("docker"), ("m1", "m2"), alongside=True)
    for number, step in enumerate((consul, docker), 4):
        progress.step(number, 9, step)
    progress.event(consul, {"event": "task", "task": "Write the settings"})
    progress.event(docker, {"event": "result", "host": "m2", "status": "failed", "task": "Start it"})
    progress.done(docker, Outcome(failures=[{}]), 1.5)
    progress.done(consul, Outcome(changed=2), 2.5)
    failed, *ended = capsys.readouterr().err.splitlines()
    assert failed == "  failed: m2: Start it"
    assert [line.split()[:4] for line in ended] == [["[5/9]", "Docker", "2", "hosts"], ["[4/9]", "Consul", "m1", "2"]]


def test_warnings_are_said_when_the_run_is_over_whatever_ended_it(capsys: pytest.CaptureFixture[str]) -> None:
    RunProgress(Console()).end(Result("c", warnings=("a module is deprecated",)))
    assert capsys.readouterr().err == "warning: a module is deprecated\n"
