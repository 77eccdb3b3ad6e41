"""The ACLs of a closed Mesos, judged as Mesos' local authorizer judges: the first rule of an action that matches decides."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.provisioner.core.plugins.filter.mesos_acls import LOOK, OPERATE, acls

FRAMEWORKS = {"marathon": {"roles": [], "users": ["nobody"]}, "own": {"roles": ["team"], "users": ["nobody", "app"]},
              "idle": {"roles": ["*"], "users": []}}
ACLS = acls(FRAMEWORKS)


def covers(entity: dict[str, Any], value: str) -> bool:
    return entity.get("type") == "ANY" or value in entity.get("values", ())


def may(principal: str, action: str, value: str = "anything") -> bool:
    for rule in ACLS[action]:
        (on,) = rule.keys() - {"principals"}
        if covers(rule["principals"], principal) and covers(rule[on], value):
            return True
    return bool(ACLS["permissive"])


@pytest.mark.parametrize("action", [action for action in ACLS if action != "permissive"])
def test_strangers_may_do_nothing(action: str) -> None:
    assert not may("stranger", action)


def test_the_operator_does_all_but_what_frameworks_and_agents_do() -> None:
    denied = {action for action in ACLS if action != "permissive" and not may("operator", action)}
    assert denied == {"register_agents", "register_frameworks", "run_tasks"}


def test_the_viewer_only_looks() -> None:
    assert {action for action in ACLS if action != "permissive" and may("viewer", action)} == set(LOOK)
    assert may("viewer", "get_endpoints", "/metrics/snapshot")
    assert not may("viewer", "get_endpoints", "/logging/toggle")
    assert not {"access_sandboxes", "access_mesos_logs"} & {*LOOK} and {"access_sandboxes", "access_mesos_logs"} <= {*OPERATE}


def test_an_agent_registers_and_nothing_else() -> None:
    assert [action for action in ACLS if action != "permissive" and may("agent", action)] == ["register_agents"]


def test_a_framework_is_itself_with_its_roles_and_users() -> None:
    assert may("marathon", "register_frameworks") and may("marathon", "run_tasks", "nobody")
    assert not may("marathon", "run_tasks", "root")
    assert may("own", "register_frameworks", "team") and not may("own", "register_frameworks", "*")
    assert may("own", "run_tasks", "app") and may("own", "destroy_volumes", "own") and not may("own", "destroy_volumes", "marathon")
    assert not may("marathon", "view_tasks") and not may("marathon", "teardown_frameworks", "own")
    assert not may("idle", "run_tasks", "nobody")
