"""A closed Mesos: what it says without credentials, with wrong ones, and to each principal no more than is its own.

By requests that change nothing, whoever is let in: about a framework, an agent and a machine that are none, a log level for a moment.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.lab.support.mesos_api import Masters, ask
from tests.lab.support.mesos_framework import Framework

HOST = "a1"
On = Callable[[str], Any]
Members = Callable[[str], dict[str, str]]
Variable = Callable[[str, str], Any]
Login = Callable[[str], str]

#: A framework and an agent that Mesos has never heard of.
NOBODY = "00000000-0000-0000-0000-000000000000"
LOOKING = ("/state", "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles", "/flags", "/metrics/snapshot", "/quota", "/weights",
           "/maintenance/schedule", "/maintenance/status", "/files/debug", "/files/browse?path=/",
           "/logging/toggle", "/redirect")
#: Of a machine that is none; without one Mesos asks nobody for leave.
WINDOW = {"machine_ids": [{"hostname": "nobody.invalid"}], "unavailability": {"start": {"nanoseconds": 4_000_000_000_000_000_000}}}
SCHEDULE = {"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [WINDOW]}}}
MASTER: dict[str, tuple[str, object]] = {
    **{path: (path, None) for path in LOOKING if path != "/redirect"},
    **{kind: ("/api/v1", {"type": kind}) for kind in ("GET_STATE", "GET_AGENTS", "GET_TASKS", "GET_FLAGS", "GET_METRICS")},
    "teardown": ("/teardown", f"frameworkId={NOBODY}"),
    "TEARDOWN": ("/api/v1", {"type": "TEARDOWN", "teardown": {"framework_id": {"value": NOBODY}}}),
    "DRAIN_AGENT": ("/api/v1", {"type": "DRAIN_AGENT", "drain_agent": {"agent_id": {"value": NOBODY}}}),
    "MARK_AGENT_GONE": ("/api/v1", {"type": "MARK_AGENT_GONE", "mark_agent_gone": {"agent_id": {"value": NOBODY}}}),
    "UPDATE_MAINTENANCE_SCHEDULE": ("/api/v1", SCHEDULE),
}
AGENT: dict[str, tuple[str, object]] = {
    **{path: (path, None) for path in ("/state", "/containers", "/flags", "/metrics/snapshot", "/monitor/statistics", "/files/debug",
                                       "/files/browse?path=/", "/slave(1)/state")},
    **{kind: (path, {"type": kind}) for path, kind in (("/api/v1", "GET_STATE"), ("/slave(1)/api/v1", "GET_CONTAINERS"),
                                                       ("/api/v1", "GET_FLAGS"))},
}


@pytest.fixture(scope="module")
def leading(masters: Masters) -> str:
    return f"http://{masters.addresses[masters.leader()]}:5050"


@pytest.fixture(scope="module")
def agent(members: Members) -> str:
    return f"http://{members('mesos_agent')[HOST]}:5051"


@pytest.fixture(scope="module")
def login(variable: Variable) -> Login:
    """`login(principal)`: with its secret; the agents' own operator has another."""
    secrets = {"operator": "mesos_operator", "operator@agent": "mesos_agent_operator", "viewer": "mesos_viewer", "agent": "mesos_agent",
               "marathon": "marathon"}
    return lambda who: f"{who.partition('@')[0]}:{variable('m1', f'vault_{secrets[who]}_secret')}"


@pytest.mark.parametrize("wrong", ["", "operator:wrong", "operator:", "stranger:wrong"])
def test_nobody_is_answered_without_the_right_credentials(leading: str, agent: str, wrong: str) -> None:
    answers = {f"{where}{name}": ask(f"{where}{path}", body, wrong)[0]
               for where, doors in ((leading, MASTER), (agent, AGENT)) for name, (path, body) in doors.items()}
    opened = {door: status for door, status in answers.items() if status != 401}
    assert not opened, f"a stranger is answered: {opened}"


def test_what_stays_open_says_nothing_of_the_cluster(leading: str, agent: str, inventory: dict[str, Any]) -> None:
    """Mesos has no lock for these. The list is what the role's README says."""
    secrets = [value for name, value in inventory["all"]["vars"].items() if name.startswith("vault_")]
    for where in (leading, agent):
        for path in ("/health", "/version", "/__processes__", "/help", "/system/stats.json"):
            status, _, text = ask(f"{where}{path}")
            assert status == 200, path
            assert not [value for value in secrets if value in text]
    assert ask(f"{leading}/redirect")[0] == 307


def test_the_viewer_sees_all_and_touches_nothing(leading: str, agent: str, login: Login) -> None:
    viewer = login("viewer")
    for path in ("/state", "/flags", "/metrics/snapshot", "/roles", "/maintenance/schedule"):
        assert ask(leading + path, login=viewer)[0] == 200, path
    for path in ("/state", "/flags", "/metrics/snapshot", "/containers"):
        assert ask(agent + path, login=viewer)[0] == 200, path
    assert json.loads(ask(f"{leading}/state", login=viewer)[2])["slaves"]
    for door in ("DRAIN_AGENT", "MARK_AGENT_GONE", "UPDATE_MAINTENANCE_SCHEDULE"):
        path, body = MASTER[door]
        assert ask(leading + path, body, viewer)[0] == 403, door
    for where in (leading, agent):
        # Who may read /metrics/snapshot or turn /logging/toggle is decided by Mesos' main(), which the lab's does not do (get_endpoints).
        assert ask(f"{where}/files/debug", login=viewer)[0] == 403
        level = {"type": "SET_LOGGING_LEVEL", "set_logging_level": {"level": 1, "duration": {"nanoseconds": 1_000_000_000}}}
        assert ask(f"{where}/api/v1", level, viewer)[0] == 403


def test_the_operator_may_and_an_agent_has_its_own(leading: str, agent: str, login: Login) -> None:
    operator = login("operator")
    assert ask(f"{leading}/teardown", f"frameworkId={NOBODY}", operator)[0] == 400, "let in, and there is no such framework"
    assert ask(f"{leading}/api/v1", SCHEDULE, operator)[0] == 200
    nothing: dict[str, Any] = {"type": SCHEDULE["type"], "update_maintenance_schedule": {"schedule": {"windows": []}}}
    assert ask(f"{leading}/api/v1", nothing, operator)[0] == 200
    assert ask(f"{leading}/files/debug", login=operator)[0] == 200
    assert ask(f"{agent}/state", login=operator)[0] == 401, "an agent would have the masters' operator's secret in its files"
    own = login("operator@agent")
    assert ask(f"{agent}/files/debug", login=own)[0] == 200
    assert ask(f"{leading}/state", login=own)[0] == 401


@pytest.mark.parametrize("who", ["agent", "marathon"])
def test_whoever_has_the_secret_of_an_agent_or_a_framework_sees_nothing_of_others(leading: str, agent: str, login: Login, who: str) -> None:
    for path in ("/flags", "/files/debug"):
        assert ask(leading + path, login=login(who))[0] == 403, f"{who} reads the masters' {path}"
    path, body = MASTER["DRAIN_AGENT"]
    assert ask(leading + path, body, login(who))[0] == 403
    seen = json.loads(ask(f"{leading}/state", login=login(who))[2])
    assert not seen["frameworks"] and "flags" not in seen
    assert ask(f"{agent}/state", login=login(who))[0] == 401


def test_an_agents_secret_registers_no_framework(leading: str, login: Login) -> None:
    call = {"type": "SUBSCRIBE", "subscribe": {"framework_info": {"user": "nobody", "name": "stranger", "principal": "agent"}}}
    status, _, said = ask(f"{leading}/api/v1/scheduler", call, login("agent"))
    assert (status, "SUBSCRIBED" in said, "ERROR" in said, "uthorized" in said) == (200, False, True, True), said


def test_tasks_run_as_nobody_and_never_as_root(framework: Framework) -> None:
    task = framework.launch(HOST, command={"value": "test $(id -un) = nobody"})
    assert framework.end(task)[0] == "TASK_FINISHED"
    denied = framework.launch(HOST, command={"value": "true", "user": "root"})
    state, message = framework.end(denied)
    assert state == "TASK_ERROR"
    assert "under user 'root'" in message, message


def test_no_secret_is_where_others_read_it(on: On, inventory: dict[str, Any]) -> None:
    secrets = {value for name, value in inventory["all"]["vars"].items() if name.startswith("vault_mesos_")}
    for host, files in (("m1", ("credentials.json", "master.acls.json")), (HOST, ("credential.json", "http_credentials.json"))):
        assert {on(host).check_output(f"stat -c %a:%U /etc/mesos/{name}") for name in files} == {"600:root"}
        said = on(host).check_output("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; "
                                     "journalctl -q --no-pager -o cat -n 20000 -u mesos-master -u mesos-agent")
        assert not [secret for secret in secrets if secret in said]
    operator = inventory["all"]["vars"]["vault_mesos_operator_secret"]
    assert on(HOST).run(f"grep -rlF {operator} /etc /var/lib/mesos /run /root /home 2>/dev/null").stdout == ""
