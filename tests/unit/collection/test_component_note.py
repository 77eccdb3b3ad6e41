"""The action plugin that keeps notes and refreshes units, with the connection replaced by a table of answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.action.component_note import ActionModule

from provisioner_lab.testing import sent
from tests.unit.fake_action import fake_action

DONE = {"component": "zookeeper", "state": "done", "witness": {"units": {}}, "digest": "d", "request": {"unit": "zookeeper"}}


def said(section: str, units: list[str]) -> dict[str, Any]:
    return {"rc": 0, "stdout": json.dumps({"version": 1, section: {"zookeeper": units}}), "stderr": ""}


def healthy(state: str) -> dict[str, Any]:
    return {"rc": 0, "stdout": json.dumps({"version": 1, "health": {"zookeeper": {"state": state, "detail": "no leader"}}}), "stderr": ""}


def test_the_note_is_forgotten_first() -> None:
    action = fake_action(ActionModule, {"component": "zookeeper", "state": "begin"}, [said("begin", [])])
    assert action.run(None, {})["changed"] is False
    assert sent(action.asked[0][1])[1]["sections"] == ["begin", "packages"]


@pytest.mark.parametrize(("locks", "changed"), [([], True), ([{"pid": 7}], False)])
def test_packages_that_were_cut_off_are_finished_unless_somebody_is_at_it(locks: list[dict[str, Any]], changed: bool) -> None:
    begun = said("begin", [])
    half = {"packages": {"interrupted": "libc6 is half installed", "locks": locks}}
    begun["stdout"] = json.dumps({**json.loads(begun["stdout"]), **half})
    action = fake_action(ActionModule, {"component": "zookeeper", "state": "begin"}, [begun, {"rc": 0}])
    assert action.run(None, {})["changed"] is changed
    assert ["dpkg" in command for command, _ in action.asked[1:]] == [True] * changed


def test_packages_that_cannot_be_finished_fail_the_step() -> None:
    begun = said("begin", [])
    begun["stdout"] = json.dumps({**json.loads(begun["stdout"]), "packages": {"interrupted": "half", "locks": []}})
    action = fake_action(ActionModule, {"component": "zookeeper", "state": "begin"}, [begun, {"rc": 1, "stdout": "libc6 is broken"}])
    result = action.run(None, {})
    assert (result["failed"], "libc6 is broken" in result["msg"]) == (True, True)


def test_the_note_is_written_when_no_unit_is_stale() -> None:
    action = fake_action(ActionModule, DONE, [said("stale", []), said("record", [])])
    assert action.run(None, {})["changed"] is False
    assert sent(action.asked[1][1])[1]["notes"]["zookeeper"]["digest"] == "d"


def test_a_stale_unit_that_the_role_leaves_running_is_left() -> None:
    action = fake_action(ActionModule, {**DONE, "leave": ["zookeeper"]}, [said("stale", ["zookeeper"]), said("record", [])])
    assert action.run(None, {})["changed"] is False


def test_a_stale_unit_is_restarted_and_must_work_before_anything_is_noted() -> None:
    action = fake_action(ActionModule, DONE, [said("stale", ["zookeeper"]), {"rc": 0}, healthy("ok"), said("record", [])])
    assert action.run(None, {})["changed"] is True
    assert "restart zookeeper.service" in action.asked[1][0]
    action = fake_action(ActionModule, DONE, [said("stale", ["zookeeper"]), {"rc": 0}, healthy("down")])
    result = action.run(None, {})
    assert (result["failed"], "no leader" in result["msg"]) == (True, True)


def test_without_the_driver_nothing_is_noted_and_a_preview_asks_nothing() -> None:
    plain = fake_action(ActionModule, {"component": "zookeeper", "state": "done"}, [])
    assert plain.run(None, {})["changed"] is False
    preview = fake_action(ActionModule, DONE, [], check_mode=True)
    assert preview.run(None, {})["changed"] is False


def test_a_note_that_could_not_be_written_fails_the_step() -> None:
    full = {"rc": 0, "stdout": json.dumps({"version": 1, "errors": {"record": "OSError: No space left on device"}}), "stderr": ""}
    result = fake_action(ActionModule, DONE, [said("stale", []), full]).run(None, {})
    assert result["failed"]
    assert "No space left" in result["msg"]
