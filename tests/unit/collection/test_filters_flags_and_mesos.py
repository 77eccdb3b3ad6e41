"""The rules of roles mesos, marathon and chronos that are code: flags, launchers, incompatible changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.provisioner.core.plugins.filter import mesos
from ansible_collections.provisioner.core.plugins.filter.flags import (
    flag_problems,
    go_flag_problems,
    scallop_arguments,
    scallop_problems,
    setting_problems,
)

from provisioner.paths import roles_dir

FLAGS = {role: json.loads((roles_dir() / role / "files/flags.json").read_text()) for role in ("mesos", "marathon", "chronos")}
OWNED = yaml.safe_load((roles_dir() / "mesos/vars/main.yml").read_text())["__mesos_owned"]["agent"]

V1 = {"cgroup": "v1", "cgroup2": "", "controllers": True, "systemd": True, "root_slice": True}
V2 = {**V1, "cgroup": "v2", "cgroup2": "/sys/fs/cgroup"}
HYBRID = {**V1, "cgroup": "hybrid", "cgroup2": "/sys/fs/cgroup/unified"}


# Flags ---------------------------------------------------------------------------------------------------------------


def test_the_recorded_lists_are_complete() -> None:
    assert len(FLAGS["mesos"]["master"]) == 80
    assert len(FLAGS["mesos"]["agent"]) == 169


@pytest.mark.parametrize(("extra", "sentence"), [
    ({"gc_dely": "1days"}, "did you mean gc_delay?"),
    ({"zzz": 1}, "see the documentation"),
    ({"work_dir ": "/x"}, "did you mean work_dir?"),
    ({"attributes": "a:b"}, "set mesos_agent_attributes instead"),
    ({"gc_delay": "soon"}, "type duration"),
    ({"strict": "yes"}, "type bool"),
    ({"max_completed_executors_per_framework": "many"}, "type uint"),
    ({"docker_registry": "a\nMESOS_IP=1"}, "type string"),
    ({"docker_registry": ["a"]}, "type string"),
])
def test_flags_of_mesos_that_would_be_ignored(extra: dict[str, Any], sentence: str) -> None:
    (problem,) = flag_problems(extra, "mesos_agent_extra_flags", FLAGS["mesos"]["agent"], OWNED, empty=True)
    assert problem.startswith("mesos_agent_extra_flags: ") and sentence in problem


def test_good_flags_of_mesos() -> None:
    good = {"gc_delay": "3days", "strict": False, "docker_config": {"auths": {}}, "fetcher_cache_size": "1GB", "gc_disk_headroom": 0.2,
            "image_providers": ""}
    assert flag_problems(good, "x", FLAGS["mesos"]["agent"], OWNED, empty=True) == []


def test_environment_file_quotes_for_systemd() -> None:
    text = mesos.environment({"hostname_lookup": False, "acls": {"a": "$b"}, "port": 5050, "x": "a`b\\c"})
    assert text.splitlines() == [
        'MESOS_HOSTNAME_LOOKUP="false"', r'MESOS_ACLS="{\"a\": \"\$b\"}"', 'MESOS_PORT="5050"', r'MESOS_X="a\`b\\c"']


def test_flags_of_marathon() -> None:
    known = FLAGS["marathon"]
    assert "did you mean task_launch_timeout?" in flag_problems({"task_lauch_timeout": 1}, "x", known, {})[0]
    assert "set by the role; leave it out" in flag_problems({"zk": "x"}, "x", known, {"zk": ""})[0]
    assert "type toggle" in flag_problems({"checkpoint": "no"}, "x", known, {})[0]
    assert "type port" in flag_problems({"https_port": True}, "x", known, {})[0]
    assert "type int" in flag_problems({"zk_max_node_size": "1MB"}, "x", known, {})[0]
    assert "type string" in flag_problems({"metrics_name_prefix": ""}, "x", known, {})[0]
    # The first is none of the recorded, and the other was removed in 1.10.
    assert len(flag_problems({"killsPerBatch": 1, "default_accepted_resource_roles": "a"}, "x", known, {})) == 2
    lines = scallop_arguments({"http_port": 8080, "checkpoint": False, "ha": True, "leader_proxy_ssl_ignore_hostname": False}, known)
    assert lines == ["--http_port 8080", "--disable_checkpoint", "--ha"]


def test_flags_of_chronos() -> None:
    known = FLAGS["chronos"]
    assert "no flag schedule_horizon" in flag_problems({"schedule_horizon": 1}, "x", known, {})[0]
    assert flag_problems({"failure_retry": 1000, "mail_ssl": True}, "x", known, {}) == []
    assert scallop_arguments({"zk_hosts": "a:1,b:1", "http_compression": False, "mail_ssl": True}, known) == [
        "--zk_hosts a:1,b:1", "--disable_http_compression", "--mail_ssl"]
    (problem,) = scallop_problems({"cluster_name": "my lab", "http_port": 1}, "Chronos")
    assert problem.startswith("The file that Chronos reads") and "cluster_name: 'my lab'" in problem


def test_flags_of_registrator() -> None:
    assert go_flag_problems(["-cleanup", "--ttl=30", "-tags=a=b"], "x", ["cleanup", "ttl", "tags"]) == []
    assert len(go_flag_problems(["cleanup", "-ttl-refresh=1", "-tag"], "x", ["cleanup", "ttl", "tags"])) == 3


def test_settings_that_a_role_does_not_follow() -> None:
    owned = {"dataDir": "x_data_dir", "ports.http": "", "server.*": ""}
    assert setting_problems({"tickTime": 1, "ports": {"grpc": 1}, "servers": 1}, "x_extra", owned) == []
    assert setting_problems({"dataDir": "/a"}, "x_extra", owned) == ["x_extra: dataDir is set by the role; set x_data_dir instead."]
    for extra in ({"ports": {"http": 1}}, {"ports.http": 1}, {"server.1": "a"}):
        assert len(setting_problems(extra, "x_extra", owned)) == 1, extra


# Launcher and isolation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("now", "launcher", "requirement", "expected"), [
    (V1, "auto", "v1", ("linux", True, "docker,mesos")), (V1, "posix", "any", ("posix", False, "docker,mesos")),
    (HYBRID, "auto", "v1", ("linux", True, "docker,mesos")), (V2, "auto", "v2", ("linux", False, "docker,mesos")),
    (V2, "posix", "v1", ("posix", False, "mesos")), ({**V1, "controllers": False}, "auto", "any", ("posix", False, "docker,mesos")),
    ({**V1, "systemd": False}, "auto", "any", ("linux", False, "docker,mesos")),
    (V1, "auto", "v1-optional", ("linux", True, "docker,mesos")), (HYBRID, "linux", "v1-optional", ("linux", True, "docker,mesos")),
    (V2, "auto", "v1-optional", ("posix", False, "docker,mesos")), (V2, "posix", "v1-optional", ("posix", False, "docker,mesos")),
])
def test_launchers_that_work(now: Any, launcher: str, requirement: str, expected: tuple[str, bool, str]) -> None:
    chosen = mesos.isolation(now, launcher, requirement, "1.11.0", "a1")
    flags = chosen["flags"]
    assert chosen["problems"] == []
    assert (flags["launcher"], flags["systemd_enable_support"], flags["containerizers"]) == expected
    # The recorded crashes: linux with posix isolators, posix with cgroups or filesystem/linux.
    assert ("cgroups/" in flags["isolation"]) == ("filesystem/linux" in flags["isolation"]) == (flags["launcher"] == "linux")
    assert "cgroups_root" not in flags


def test_agents_that_share_a_cgroup_root_get_their_own_name() -> None:
    flags = mesos.isolation({**V1, "root_slice": False}, "auto", "any", "1.11.0", "a1")["flags"]
    assert (flags["cgroups_root"], flags["systemd_enable_support"]) == ("mesos_a1", False)


@pytest.mark.parametrize(("now", "launcher", "requirement", "version", "sentence"), [
    (V1, "auto", "v2", "1.11.0-0.9.0", "needs cgroup v2"), (HYBRID, "auto", "v2", "1.11.0-0.9.0", "needs cgroup v2"),
    (V2, "auto", "v1", "1.11.0", "needs cgroup v1"), (HYBRID, "auto", "any", "1.12.0", "/sys/fs/cgroup/unified"),
    ({**V1, "controllers": False}, "linux", "any", "1.11.0", "no writable cgroups"),
    (V2, "linux", "v1-optional", "1.11.0", "launcher linux for cgroup v1 only"),
])
def test_launchers_that_do_not(now: Any, launcher: str, requirement: str, version: str, sentence: str) -> None:
    (problem,) = mesos.isolation(now, launcher, requirement, version, "a1")["problems"]
    assert sentence in problem


@pytest.mark.parametrize(("speaks", "reads", "line"), [
    ("1.45", "1.44", 'DOCKER_API_VERSION="1.44"'), ("1.100", "1.44", 'DOCKER_API_VERSION="1.44"'), ("1.44", "1.44", ""),
    ("1.41", "1.44", ""),  # an older engine refuses a client that wants a newer API
    ("1.45", "", ""), ("", "1.44", ""),
])
def test_the_agents_docker_client_speaks_an_api_that_mesos_reads(speaks: str, reads: str, line: str) -> None:
    assert mesos.docker_environment({"docker_api": speaks}, reads) == line


# Changes of a registered agent ---------------------------------------------------------------------------------------

RUNNING = {
    "hostname": "a1", "port": "5051", "attributes": {"rack": "r1", "slots": 2.0}, "pinned": "cpus:2;ports:[31000-31999]",
    "resources": [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": 2.0}, "role": "*"},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": 1024.0}, "role": "*"},
        {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31999}]}, "role": "*"},
        {"name": "disks", "type": "SET", "set": {"item": ["a"]}, "role": "db"},
    ],
}
SAME = {"hostname": "a1", "port": 5051, "attributes": {"rack": "r1", "slots": 2},
        "resources": "cpus:2;ports:[31000-31999];disks(db):{a}"}


@pytest.mark.parametrize("change", [
    {}, {"attributes": {"rack": "r1", "slots": 2, "zone": "z"}},
    {"resources": "cpus:3;mem:2048;ports:[31000-32000];disks(db):{a,b}"},
    {"resources": "cpus:2;ports:[30000-31499,31500-32000];disks(db):{a};gpus:1"},
])
def test_growth_is_allowed(change: dict[str, Any]) -> None:
    assert mesos.agent_conflicts({"agent": RUNNING}, {**SAME, **change}) == []


@pytest.mark.parametrize(("change", "sentence"), [
    ({"hostname": "a2"}, "hostname changes from a1 to a2"), ({"port": 5052}, "port changes"),
    ({"attributes": {"slots": 2}}, "attribute rack goes away"),
    ({"attributes": {"rack": "r2", "slots": 2}}, "attribute rack changes from r1 to r2"),
    ({"attributes": {"rack": "r1", "slots": 3}}, "attribute slots changes"),
    ({"resources": "cpus:1;ports:[31000-31999];disks(db):{a}"}, "cpus shrinks from 2.0 to 1.0"),
    ({"resources": "cpus:2;mem:512;ports:[31000-31999];disks(db):{a}"}, "mem shrinks"),
    ({"resources": "cpus:2;ports:[31500-32500];disks(db):{a}"}, "ports shrinks"),
    ({"resources": "cpus:2;ports:[31000-31999];disks(db):{b}"}, "disks(db) shrinks"),
    ({"resources": "cpus:2;ports:[31000-31999]"}, "disks(db) is no longer given"),
    ({"resources": "cpus:{a};ports:[31000-31999];disks(db):{a}"}, "cpus becomes another type"),
    ({"resources": ""}, "cpus is no longer given"),
])
def test_what_mesos_would_refuse_is_refused_first(change: dict[str, Any], sentence: str) -> None:
    (problem,) = mesos.agent_conflicts({"agent": RUNNING}, {**SAME, **change})
    assert sentence in problem


def test_an_agent_that_is_down_is_judged_by_its_file() -> None:
    down = {**RUNNING, "resources": []}
    assert "cpus shrinks" in mesos.agent_conflicts({"agent": down}, {**SAME, "resources": "cpus:1;ports:[31000-31999]"})[0]
    assert mesos.agent_conflicts({"agent": {}}, {**SAME, "hostname": "new"}) == []


@pytest.mark.parametrize(("text", "good"), [
    ("cpus:4;mem:4096;ports:[31000-32000]", True), ("cpus", False), ("cpus:many", False), ("ports:[a-b]", False), ("", True),
    ("mem:16GB", False), ("disk:lots", False), ("cpus:-1", False), ("cpus:nan", False), ("cpus:0.5;gpus:1e1", True),
    ("ports:[5-1]", False), ("ports:5", False),
    ('[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":"a","end":2}]}}]', False), ("[1]", False),
    ('[{"name":"cpus","type":"SCALAR","scalar":{"value":2}}]', True), ("[{", False), ('[{"name":"cpus"}]', False),
])
def test_resources_are_read_before_mesos_does(text: str, good: bool) -> None:
    assert (mesos.resource_problems(text) == []) is good


def test_attributes() -> None:
    assert mesos.attributes({"zone": "z", "rack": 1}) == "rack:1;zone:z"
    assert mesos.attribute_problems({"url": "http://x:1", "rack": 1, "share": 0.5, "ssd": True, "slots": "[1-3, 7-9]"}) == []
    assert len(mesos.attribute_problems({"rack": "", "a:b": "c", "d": "e;f", "g": None, "bad key": "x", "h": " ", "i": "x\n"})) == 7
    # Mesos aborts on a set and on brackets that are no ranges.
    assert len(mesos.attribute_problems({"zone": ["a", "b"], "m": {"a": 1}, "set": "{a,b}", "r": "[a-b]", "s": "a[1]", "t": "[3-1]"})) == 6
