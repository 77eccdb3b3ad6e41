"""Filter of role mesos: who may do what, as the ACLs that masters and agents of a closed cluster decide by.

Mesos takes the first rule of an action that matches, and accepts names of actions that it does not know without a word: each that is
written here is one of Mesos 1.11 (include/mesos/authorizer/acls.proto). What no rule names is denied.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

#: Who may do all that is done over HTTP, who may only look, and what agents register as. Each has two names, as Mesos knows one secret of a
#: name: while a secret is replaced both count, else one of them has none.
OPERATOR, VIEWER, AGENT = (("operator", "operator-2"), ("viewer", "viewer-2"), ("agent", "agent-2"))
#: Action → what it is done to. What shows the state of the cluster, and nothing that its users wrote or its logs.
LOOK = {
    "get_maintenance_schedules": "machines", "get_maintenance_statuses": "machines", "get_quotas": "roles", "view_containers": "users",
    "view_executors": "users", "view_flags": "flags", "view_frameworks": "users", "view_resource_providers": "resource_providers",
    "view_roles": "roles", "view_standalone_containers": "users", "view_tasks": "users",
}
LOOK_AT = ("/containers", "/metrics/snapshot", "/monitor/statistics")
OPERATE = {
    "access_mesos_logs": "logs", "access_sandboxes": "users", "attach_containers_input": "users", "attach_containers_output": "users",
    "create_block_disks": "roles", "create_mount_disks": "roles", "deactivate_agents": "agents", "destroy_block_disks": "roles",
    "destroy_mount_disks": "roles", "destroy_raw_disks": "roles", "drain_agents": "agents", "kill_nested_containers": "users",
    "kill_standalone_containers": "users", "launch_nested_container_sessions_as_user": "users",
    "launch_nested_container_sessions_under_parent_with_user": "users", "launch_nested_containers_as_user": "users",
    "launch_nested_containers_under_parent_with_user": "users", "launch_standalone_containers": "users", "mark_agents_gone": "agents",
    "mark_resource_providers_gone": "resource_providers", "modify_resource_provider_configs": "resource_providers",
    "prune_images": "images", "reactivate_agents": "agents", "remove_nested_containers": "users",
    "remove_standalone_containers": "users", "set_log_level": "level", "start_maintenances": "machines", "stop_maintenances": "machines",
    "teardown_frameworks": "framework_principals", "update_maintenance_schedules": "machines", "update_quotas": "roles",
    "update_weights": "roles", "wait_nested_containers": "users", "wait_standalone_containers": "users",
}
#: What a framework does with what it was offered: in its roles, and with what it reserved and made itself.
RESERVE = {"reserve_resources": "roles", "create_volumes": "roles", "resize_volumes": "roles"}
OWN = {"unreserve_resources": "reserver_principals", "destroy_volumes": "creator_principals"}


def acls(frameworks: dict[str, Any]) -> dict[str, Any]:
    """The ACLs, with each framework by its principal: the `roles` that it gets offers for (none: any), and `users` as which it may run
    tasks."""
    found: dict[str, Any] = {"permissive": False}
    for action, on in LOOK.items():
        found[action] = [_rule((*OPERATOR, *VIEWER), on)]
    found["get_endpoints"] = [_rule(OPERATOR, "paths"), _rule(VIEWER, "paths", LOOK_AT)]
    for action, on in {**OPERATE, **RESERVE, **OWN}.items():
        found[action] = [_rule(OPERATOR, on)]
    found["register_agents"] = [_rule(AGENT, "agents")]
    found["register_frameworks"] = [_rule((name,), "roles", rights["roles"]) for name, rights in frameworks.items()]
    found["run_tasks"] = [_rule((name,), "users", rights["users"]) for name, rights in frameworks.items() if rights["users"]]
    for name, rights in frameworks.items():
        for action, on in RESERVE.items():
            found[action].append(_rule((name,), on, rights["roles"]))
        for action, on in OWN.items():
            found[action].append(_rule((name,), on, (name,)))
    return dict(sorted(found.items()))


def _rule(principals: Collection[str], on: str, values: Collection[str] = ()) -> dict[str, Any]:
    """These may do it to these values; to any where none is named."""
    return {"principals": {"values": list(principals)}, on: {"values": list(values)} if values else {"type": "ANY"}}


class FilterModule:
    """The names under which templates find the functions above."""

    def filters(self) -> dict[str, Any]:
        """Ansible's way to ask."""
        return {"mesos_acls": acls}
