"""The action plugin that forgets notes, with the connection replaced by a table of answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.action.component_note import ActionModule

from provisioner_lab.testing import sent
from tests.unit.fake_action import fake_action

BEGIN = {"component": "zookeeper", "state": "begin"}


def said(section: str, units: list[str]) -> dict[str, Any]:
    return {"rc": 0, "stdout": json.dumps({"version": 1, section: {"zookeeper": units}}), "stderr": ""}


def test_the_note_is_forgotten_first() -> None:
    action = fake_action(ActionModule, BEGIN, [said("begin", [])])
    assert action.run(None, {})["changed"] is False
    assert sent(action.asked[0][1])[1]["sections"] == ["begin", "packages"]


@pytest.mark.parametrize(("locks", "changed"), [([], True), ([{"pid": 7}], False)])
def test_packages_that_were_cut_off_are_finished_unless_somebody_is_at_it(locks: list[dict[str, Any]], changed: bool) -> None:
    begun = said("begin", [])
    half = {"packages": {"interrupted": "libc6 is half installed", "locks": locks}}
    begun["stdout"] = json.dumps({**json.loads(begun["stdout"]), **half})
    action = fake_action(ActionModule, BEGIN, [begun, {"rc": 0}])
    assert action.run(None, {})["changed"] is changed
    assert ["dpkg" in command for command, _ in action.asked[1:]] == [True] * changed


def test_packages_that_cannot_be_finished_fail_the_step() -> None:
    begun = said("begin", [])
    begun["stdout"] = json.dumps({**json.loads(begun["stdout"]), "packages": {"interrupted": "half", "locks": []}})
    action = fake_action(ActionModule, BEGIN, [begun, {"rc": 1, "stdout": "libc6 is broken"}])
    result = action.run(None, {})
    assert (result["failed"], "libc6 is broken" in result["msg"]) == (True, True)


def test_after_a_removal_also_the_files_are_no_longer_ours() -> None:
    action = fake_action(ActionModule, {**BEGIN, "state": "removed"}, [said("forget", [])])
    assert action.run(None, {})["changed"] is False
    assert sent(action.asked[0][1])[1]["sections"] == ["forget"]


def test_a_preview_asks_nothing() -> None:
    assert fake_action(ActionModule, BEGIN, [], check_mode=True).run(None, {})["changed"] is False


def test_a_note_that_could_not_be_forgotten_fails_the_step() -> None:
    full = {"rc": 0, "stdout": json.dumps({"version": 1, "errors": {"begin": "OSError: Read-only file system"}}), "stderr": ""}
    result = fake_action(ActionModule, BEGIN, [full]).run(None, {})
    assert result["failed"]
    assert "Read-only file system" in result["msg"]
