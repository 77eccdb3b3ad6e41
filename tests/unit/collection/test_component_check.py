"""The action plugin, with the connection replaced by a table of answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible_collections.provisioner.core.plugins.action import component_check
from ansible_collections.provisioner.core.plugins.action.component_check import ActionModule

from provisioner_lab.testing import sent
from tests.unit.fake_action import fake_action

REQUEST = {"unit": "zookeeper", "port": 2181}
Action = Callable[..., ActionModule]


def answer(state: str, detail: str = "leader", component: str = "zookeeper") -> dict[str, Any]:
    health = {"state": state, "leader": True, "version": "3.8.0", "stand_in": False, "detail": detail, "facts": {}}
    return {"rc": 0, "stdout": json.dumps({"version": 1, "health": {component: health}}), "stderr": ""}


JOURNAL = {"rc": 0, "stdout": "Exiting JVM with code 1\n", "stderr": ""}


@pytest.fixture
def action(monkeypatch: pytest.MonkeyPatch) -> Action:
    """An action whose connection gives these answers in turn; `asked` keeps (command, stdin)."""
    clock = SimpleNamespace(now=0.0)
    fake = SimpleNamespace(monotonic=lambda: clock.now, sleep=lambda s: setattr(clock, "now", clock.now + max(s, 0.01)))
    monkeypatch.setattr(component_check, "time", fake)

    def make(arguments: dict[str, Any], *answers: Any, check_mode: bool = False) -> Any:
        return fake_action(ActionModule, arguments, answers, check_mode=check_mode)

    return make


def test_an_accepted_state_is_a_result_that_never_changed_anything(action: Action) -> None:
    made = action({"component": "zookeeper", "request": REQUEST, "wait": 30}, answer("ok"))
    result = made.run(None, {"inventory_hostname": "m1"})
    assert (result["changed"], result["component"], result["state"], result["detail"]) == (False, "zookeeper", "ok", "leader")
    assert result["health"]["version"] == "3.8.0" and not result.get("failed")
    asked = sent(made.asked[0][1])[1]
    assert asked == {"sections": ["health"], "health": {"zookeeper": {**REQUEST, "steady": 2.0}}, "wait": component_check.DOUBT_SECONDS}


def test_a_failure_says_what_and_where_with_the_units_last_lines(action: Action) -> None:
    made = action({"component": "zookeeper", "request": REQUEST}, answer("down", "the unit zookeeper failed"), JOURNAL)
    result = made.run(None, {"inventory_hostname": "m1"})
    assert result["failed"] and result["changed"] is False
    assert result["msg"] == ("zookeeper on m1: the unit zookeeper failed\nlast lines of zookeeper:\nExiting JVM with code 1")
    assert made.asked[1][0] == "journalctl -u zookeeper -n 20 --no-pager -o cat"
    assert "steady" not in sent(made.asked[0][1])[1]["health"]["zookeeper"]


@pytest.mark.parametrize(("request_", "unit"), [
    ({"unit": "logstash", "server": False, "forwarder": "rsyslog"}, "rsyslog"),
    ({"unit": "logstash", "server": True, "forwarder": "rsyslog"}, "logstash"),
    ({}, ""),
])
def test_the_journal_is_that_of_the_unit_that_runs_there(action: Action, request_: dict[str, Any], unit: str) -> None:
    made = action({"component": "logstash", "request": request_}, answer("down", component="logstash"), JOURNAL)
    result = made.run(None, {})
    assert result["failed"] and (f"last lines of {unit}:" in result["msg"] if unit else len(made.asked) == 1)


def test_what_runs_with_older_settings_is_restarted_once(action: Action) -> None:
    variables = {"inventory_hostname": "m1", "component_notes": {"m1": {"zookeeper": {"witness": {"units": {"zookeeper": []}}}}}}
    arguments = {"component": "zookeeper", "request": REQUEST, "wait": 90}
    stale = json.dumps({"version": 1, "stale": {"zookeeper": ["zookeeper"]}})
    down = [answer("down", "refused")] * 16  # the host waits, so the fake clock goes on by a second for each
    made = action(arguments, *down, {"rc": 0, "stdout": stale}, {"rc": 0}, answer("down"), answer("ok"))
    result = made.run(None, variables)
    assert (result["state"], result["changed"]) == ("ok", True)
    assert [command.split(" && ")[-1] for command, stdin in made.asked if not stdin] == ["systemctl restart zookeeper.service"]
    assert sent(made.asked[0][1])[1]["wait"] == component_check.DOUBT_SECONDS
    preview = action({**arguments, "wait": 3}, *[answer("down")] * 5, JOURNAL, check_mode=True)
    assert preview.run(None, variables)["failed"]


def test_less_than_ok_can_be_accepted_and_is_waited_for(action: Action) -> None:
    arguments = {"component": "zookeeper", "request": REQUEST, "wait": 30, "accept": ["ok", "degraded"]}
    made = action(arguments, answer("down"), answer("degraded"))
    assert made.run(None, {})["state"] == "degraded" and len(made.asked) == 2
    assert sent(made.asked[0][1])[1]["wait"] == 0.0


def test_a_connection_that_breaks_is_tried_again_until_the_time_is_up(action: Action) -> None:
    broken = AnsibleConnectionFailure("closed")
    made = action({"component": "zookeeper", "request": REQUEST, "wait": 30}, broken, answer("ok"))
    assert made.run(None, {})["state"] == "ok"
    made = action({"component": "zookeeper", "request": REQUEST, "wait": 2}, *[broken] * 5)
    with pytest.raises(AnsibleConnectionFailure):
        made.run(None, {})


@pytest.mark.parametrize(("said", "detail"), [
    ({"rc": 127, "stdout": "", "stderr": "python3: not found"}, "the probe ended with 127: python3: not found"),
    ({"rc": 0, "stdout": "Welcome!", "stderr": ""}, "not JSON"),
    ({"rc": 0, "stdout": '{"version": 1, "errors": {"health": "boom"}}', "stderr": ""}, "boom"),
])
def test_a_host_that_can_not_answer_is_down_and_says_why(action: Action, said: dict[str, Any], detail: str) -> None:
    result = action({"component": "zookeeper", "request": REQUEST}, said, {"rc": 1, "stdout": ""}).run(None, {})
    assert result["failed"] and result["state"] == "down" and detail in result["msg"]


@pytest.mark.parametrize("arguments", [{}, {"component": "zookeeper", "accept": ["fine"]}, {"component": "zookeeper", "waits": 3}])
def test_wrong_arguments_are_refused_also_in_check_mode(action: Action, arguments: dict[str, Any]) -> None:
    with pytest.raises(AnsibleActionFail):
        action(arguments, check_mode=True).run(None, {})


def test_it_looks_in_check_mode_as_well(action: Action) -> None:
    assert action({"component": "zookeeper", "request": REQUEST}, answer("ok"), check_mode=True).run(None, {})["state"] == "ok"


def scheduler(framework: str, state: str = "down") -> dict[str, Any]:
    facts = {"framework": framework}
    health = {"state": state, "leader": True, "version": "", "stand_in": False, "detail": f"framework {framework}", "facts": facts}
    return {"rc": 0, "stdout": json.dumps({"version": 1, "health": {"chronos": health}}), "stderr": ""}


def test_a_leader_without_a_driver_is_restarted_once_without_a_driver_of_ours_too(action: Action) -> None:
    arguments = {"component": "chronos", "request": {"unit": "chronos"}, "wait": 90}
    made = action(arguments, *[scheduler("missing")] * 16, {"rc": 0}, *[scheduler("missing")] * 5, scheduler("registered", "ok"))
    result = made.run(None, {"inventory_hostname": "m1"})
    assert (result["state"], result["changed"]) == ("ok", True)
    assert [command for command, stdin in made.asked if not stdin] == ["systemctl daemon-reload && systemctl restart chronos.service"]
    preview = action({**arguments, "wait": 20}, *[scheduler("missing")] * 40, check_mode=True)
    preview._low_level_execute_command = lambda command, **_: JOURNAL if "journalctl" in command else dict(scheduler("missing"))
    assert preview.run(None, {})["changed"] is False


def test_a_removed_framework_is_not_waited_for(action: Action) -> None:
    made = action({"component": "chronos", "request": {"unit": "chronos"}, "wait": 90}, scheduler("removed"), JOURNAL)
    result = made.run(None, {"inventory_hostname": "m1"})
    assert result["failed"] and "chronos on m1: framework removed" in result["msg"] and len(made.asked) == 2


TOLD = {"witness": {"files": [], "units": {"zookeeper": []}, "packages": [], "listeners": []}, "digest": "d"}
NOTING = {"component": "zookeeper", "request": REQUEST, "wait": 30, "note": True}
DRIVEN = {"inventory_hostname": "m1", "component_notes": {"m1": {"zookeeper": TOLD}}}


def noted(*stale: str, state: str = "ok") -> dict[str, Any]:
    """The answer of a host that was asked for a note, too."""
    given = answer(state, "no leader" if state != "ok" else "leader")
    record = {"record": {"zookeeper": list(stale)} if state == "ok" else {}}
    return {**given, "stdout": json.dumps({**json.loads(given["stdout"]), **record})}


def test_what_works_is_noted_in_the_same_exchange(action: Action) -> None:
    made = action(NOTING, noted())
    assert made.run(None, DRIVEN)["changed"] is False
    (asked,) = (sent(stdin)[1] for _, stdin in made.asked)
    assert (asked["sections"], asked["notes"]) == (["health", "record"], {"zookeeper": {**TOLD, "leave": [], "accept": ["ok"]}})


@pytest.mark.parametrize(("arguments", "variables", "preview"), [
    ({**NOTING, "note": False}, DRIVEN, False),  # a check that is not the role's last word
    (NOTING, {"inventory_hostname": "m1"}, False),  # without the driver
    (NOTING, {**DRIVEN, "component_notes": {"m1": {"another": TOLD}}}, False),
    (NOTING, DRIVEN, True),
])
def test_nothing_is_noted_otherwise(action: Action, arguments: dict[str, Any], variables: dict[str, Any], preview: bool) -> None:
    made = action(arguments, answer("ok"), check_mode=preview)
    assert not made.run(None, variables).get("failed")
    assert sent(made.asked[0][1])[1]["sections"] == ["health"]


def test_what_does_not_work_is_not_noted_and_fails(action: Action) -> None:
    made = action({**NOTING, "wait": 0}, noted(state="down"), JOURNAL)
    assert "zookeeper on m1: no leader\nlast lines" in made.run(None, DRIVEN)["msg"]


def test_a_stale_unit_is_restarted_and_must_work_before_anything_is_noted(action: Action) -> None:
    made = action(NOTING, noted("zookeeper"), {"rc": 0}, noted())
    assert made.run(None, DRIVEN)["changed"] is True
    assert "restart zookeeper.service" in made.asked[1][0]
    assert sent(made.asked[2][1])[1]["notes"]["zookeeper"]["leave"] == ["zookeeper"], "restarted once only"
    made = action(NOTING, noted("zookeeper"), {"rc": 0}, *[noted(state="down")] * 60, JOURNAL)
    result = made.run(None, DRIVEN)
    assert "zookeeper on m1: restarted with its present settings, and then: no leader" in result["msg"]
    made = action(NOTING, noted("zookeeper"), {"rc": 1, "stderr": "no such unit"})
    assert "no such unit" in made.run(None, DRIVEN)["msg"]


def test_a_note_that_could_not_be_written_fails_the_step(action: Action) -> None:
    full = answer("ok")
    full["stdout"] = json.dumps({**json.loads(full["stdout"]), "errors": {"record": "OSError: No space left on device"}})
    result = action(NOTING, full).run(None, DRIVEN)
    assert result["failed"] and "No space left" in result["msg"]
