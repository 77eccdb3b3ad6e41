"""What a role refuses by itself, rendered by Ansible: the same that the driver refuses offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from provisioner.paths import roles_dir
from tests.unit.collection.test_plain_ansible import plain

#: What the roles' modules may have seen of a host on which nothing is wrong.
NOW = {"absent": [], "taken": [], "docker": True, "docker_api": "", "cgroup": "v1", "cgroup2": "", "controllers": True, "systemd": True,
       "root_slice": True, "open": [], "quorums": {}, "agent": {}, "unit": True, "installed": "29.0.0", "candidate": ""}


def playbook(folder: Path, role: str, cases: list[dict[str, Any]]) -> Path:
    """One that writes down what a role would refuse in each of these cases, on such a host."""
    (folder / "files").mkdir(parents=True)
    flags = roles_dir() / role / "files/flags.json"
    if flags.is_file():  # looked for beside the playbook
        (folder / "files/flags.json").write_text(flags.read_text())
    now = {**NOW, "docker": role == "mesos" or ""}
    tasks: list[dict[str, Any]] = [{
        "name": "Say", "vars": {f"__{role}_now": now, "role_path": str(roles_dir() / role), **variables},
        "ansible.builtin.set_fact": {f"said_{number}": f"{{{{ __{role}_problems | list }}}}"}} for number, variables in enumerate(cases)]
    said = ", ".join(f"said_{number}" for number in range(len(cases)))
    # One copy: each is a process of its own.
    tasks.append({"name": "Write", "ansible.builtin.copy": {
        "content": f"{{{{ [{said}] | to_json }}}}", "dest": str(folder / "said.json"), "mode": "0600"}})
    play = {"name": "Judge", "hosts": "m1", "gather_facts": False, "tasks": tasks,
            "vars_files": [str(roles_dir() / role / part / "main.yml") for part in ("defaults", "vars")]}
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    return folder / "play.yml"


GOOD: dict[str, dict[str, Any]] = {
    "docker": {"docker_packages": ["docker.io"], "docker_address": "192.0.2.1",
               "docker_swarm_managers": [{"name": "m1", "address": "192.0.2.1"}]},
    "marathon": {"marathon_image": "x", "marathon_address": "192.0.2.1", "marathon_zk_url": "zk://a:1/m", "marathon_mesos_zk_url": "zk://a:1/x",
                 "marathon_principal": "marathon"},
    "chronos": {"chronos_image": "x", "chronos_address": "192.0.2.1", "chronos_zk_hosts": "a:1", "chronos_mesos_zk_url": "zk://a:1/x",
                "chronos_principal": "chronos"},
    "mesos": {"mesos_address": "192.0.2.1", "mesos_hostname": "a1", "mesos_zk_url": "zk://a:1/x",
              "mesos_authentication": "none"},
    "registrator": {"registrator_image": "x", "registrator_address": "192.0.2.1"},
}
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "docker": ({"docker_daemon_options": {"hosts": [], "live-restore": True, "bip": "10.32.0.1/24"}, "docker_overlay_network": "a b"},
               ["must not set hosts", "excludes", "overlaps with docker_overlay_subnet 10.32.0.0/16", "docker_overlay_network must be"]),
    "marathon": ({"marathon_extra_flags": {"no_such_flag": 1, "http_port": 1, "mesos_user": "www"}},
                 ["no flag no_such_flag", "set marathon_port"]),
    "chronos": ({"chronos_extra_flags": {"cluster_name": "my lab", "zk_path": "/x"}, "chronos_heap_mb": 0, "chronos_check_seconds": "9"},
                ["cannot hold blanks", "set chronos_zk_path", "chronos_heap_mb must be between 64 and 1048576, not 0"]),
    "mesos": ({"mesos_agent_extra_flags": {"attributes": "a:b"}, "mesos_agent_attributes": {"zone": ["a"]},
               "mesos_agent_resources": "mem:1GB"},
              ["zone: ['a'] is no attribute", "'1GB' is no number", "set mesos_agent_attributes instead"]),
    "registrator": ({"registrator_extra_flags": ["-no-such", "-ttl=30"]}, ["no flag -no-such"]),
}


def test_a_role_refuses_what_the_driver_refuses(tmp_path: Path) -> None:
    plain(tmp_path, *(playbook(tmp_path / role, role, [good, {**good, **BAD[role][0]}]) for role, good in GOOD.items()),
          component_name="mesos_agent")
    for role, (_, sentences) in BAD.items():
        good, bad = json.loads((tmp_path / role / "said.json").read_text())
        assert good == []
        assert len(bad) == len(sentences), bad
        assert [sentence for sentence in sentences if not any(sentence in said for said in bad)] == []
