"""The rules of roles mesos, marathon and chronos that are code: flags, launchers, incompatible changes, draining."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROLES = Path(__file__).parents[2] / "roles"


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROLES / path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plan = load("mesos/filter_plugins/mesos_plan.py")
marathon = load("marathon/filter_plugins/marathon_flags.py")
chronos = load("chronos/filter_plugins/chronos_flags.py")
FLAGS = {role: json.loads((ROLES / role / "files/flags.json").read_text()) for role in ("mesos", "marathon", "chronos")}

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
    ({"attributes": "a:b"}, "change mesos_agent_attributes instead"),
    ({"gc_delay": "soon"}, "type duration"),
    ({"strict": "yes"}, "type bool"),
    ({"max_completed_executors_per_framework": "many"}, "type uint"),
    ({"docker_registry": "a\nMESOS_IP=1"}, "type string"),
    ({"docker_registry": ["a"]}, "type string"),
])
def test_flags_of_mesos_that_would_be_ignored(extra: dict[str, Any], sentence: str) -> None:
    (problem,) = plan.flag_problems(extra, FLAGS["mesos"]["agent"], "mesos_agent_extra_flags")
    assert problem.startswith("mesos_agent_extra_flags: ") and sentence in problem


def test_good_flags_of_mesos() -> None:
    good = {"gc_delay": "3days", "strict": False, "docker_config": {"auths": {}}, "fetcher_cache_size": "1GB", "gc_disk_headroom": 0.2}
    assert plan.flag_problems(good, FLAGS["mesos"]["agent"], "x") == []


def test_environment_file_quotes_for_systemd() -> None:
    text = plan.environment({"hostname_lookup": False, "acls": {"a": "$b"}, "port": 5050, "x": "a`b\\c"})
    assert text.splitlines() == [
        'MESOS_HOSTNAME_LOOKUP="false"', r'MESOS_ACLS="{\"a\": \"\$b\"}"', 'MESOS_PORT="5050"', r'MESOS_X="a\`b\\c"']


def test_flags_of_marathon() -> None:
    known = FLAGS["marathon"]
    assert "did you mean task_launch_timeout?" in marathon.flag_problems({"task_lauch_timeout": 1}, known, {})[0]
    assert "set by the role" in marathon.flag_problems({"zk": "x"}, known, {"zk": "y"})[0]
    assert "type toggle" in marathon.flag_problems({"checkpoint": "no"}, known, {})[0]
    assert "type port" in marathon.flag_problems({"https_port": True}, known, {})[0]
    # Camel case does not survive the environment, and the other was removed in 1.10.
    assert marathon.flag_problems({"killsPerBatch": 1, "default_accepted_resource_roles": "a"}, known, {})
    lines = marathon.environment({"http_port": 8080, "checkpoint": False, "ha": True, "leader_proxy_ssl_ignore_hostname": False}, known)
    assert lines == ["MARATHON_HTTP_PORT=8080", "MARATHON_DISABLE_CHECKPOINT=", "MARATHON_HA="]


def test_flags_of_chronos() -> None:
    known = FLAGS["chronos"]
    assert "no flag schedule_horizon" in chronos.flag_problems({"schedule_horizon": 1}, known, {})[0]
    assert chronos.flag_problems({"failure_retry": 1000, "mail_ssl": True}, known, {}) == []
    assert chronos.arguments({"zk_hosts": "a:1,b:1", "http_compression": False, "mail_ssl": True}, known) == [
        "--zk_hosts a:1,b:1", "--disable_http_compression", "--mail_ssl"]
    assert chronos.spaced({"cluster_name": "my lab", "http_port": 1}) == ["cluster_name"]


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
    chosen = plan.isolation(now, launcher, requirement, "1.11.0", "a1")
    flags = chosen["flags"]
    assert chosen["problems"] == []
    assert (flags["launcher"], flags["systemd_enable_support"], flags["containerizers"]) == expected
    # The recorded crashes: linux with posix isolators, posix with cgroups or filesystem/linux.
    assert ("cgroups/" in flags["isolation"]) == ("filesystem/linux" in flags["isolation"]) == (flags["launcher"] == "linux")
    assert "cgroups_root" not in flags


def test_agents_that_share_a_cgroup_root_get_their_own_name() -> None:
    flags = plan.isolation({**V1, "root_slice": False}, "auto", "any", "1.11.0", "a1")["flags"]
    assert (flags["cgroups_root"], flags["systemd_enable_support"]) == ("mesos_a1", False)


@pytest.mark.parametrize(("now", "launcher", "requirement", "version", "sentence"), [
    (V1, "auto", "v2", "1.11.0-0.9.0", "needs cgroup v2"), (HYBRID, "auto", "v2", "1.11.0-0.9.0", "needs cgroup v2"),
    (V2, "auto", "v1", "1.11.0", "needs cgroup v1"), (HYBRID, "auto", "any", "1.12.0", "/sys/fs/cgroup/unified"),
    ({**V1, "controllers": False}, "linux", "any", "1.11.0", "no writable cgroups"),
    (V2, "linux", "v1-optional", "1.11.0", "launcher linux for cgroup v1 only"),
])
def test_launchers_that_do_not(now: Any, launcher: str, requirement: str, version: str, sentence: str) -> None:
    (problem,) = plan.isolation(now, launcher, requirement, version, "a1")["problems"]
    assert sentence in problem


@pytest.mark.parametrize(("speaks", "reads", "line"), [
    ("1.45", "1.44", 'DOCKER_API_VERSION="1.44"'), ("1.100", "1.44", 'DOCKER_API_VERSION="1.44"'), ("1.44", "1.44", ""),
    ("1.41", "1.44", ""),  # an older engine refuses a client that wants a newer API
    ("1.45", "", ""), ("", "1.44", ""),
])
def test_the_agents_docker_client_speaks_an_api_that_mesos_reads(speaks: str, reads: str, line: str) -> None:
    assert plan.docker_environment({"docker_api": speaks}, reads) == line


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
    assert plan.agent_conflicts({"agent": RUNNING}, {**SAME, **change}) == []


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
    (problem,) = plan.agent_conflicts({"agent": RUNNING}, {**SAME, **change})
    assert sentence in problem


def test_an_agent_that_is_down_is_judged_by_its_file() -> None:
    down = {**RUNNING, "resources": []}
    assert "cpus shrinks" in plan.agent_conflicts({"agent": down}, {**SAME, "resources": "cpus:1;ports:[31000-31999]"})[0]
    assert plan.agent_conflicts({"agent": {}}, {**SAME, "hostname": "new"}) == []


@pytest.mark.parametrize(("text", "good"), [
    ("cpus:4;mem:4096;ports:[31000-32000]", True), ("cpus", False), ("cpus:many", False), ("ports:[a-b]", False), ("", True),
    ('[{"name":"cpus","type":"SCALAR","scalar":{"value":2}}]', True), ("[{", False), ('[{"name":"cpus"}]', False),
])
def test_resources_are_read_before_mesos_does(text: str, good: bool) -> None:
    assert (plan.resource_problems(text) == []) is good


def test_attributes() -> None:
    assert plan.attributes({"zone": "z", "rack": 1}) == "rack:1;zone:z"
    assert plan.attribute_problems({"url": "http://x:1"}) == []
    assert len(plan.attribute_problems({"rack": "", "a:b": "c", "d": "e;f", "g": None})) == 4


# Draining ------------------------------------------------------------------------------------------------------------


class Master:
    """A leading master with one agent that needs to be asked twice, as after a lost acknowledgement."""

    def __init__(self, drain_state: str = "", tasks: int = 1, recovered: bool = False) -> None:
        self.state, self.tasks, self.recovered, self.asked = drain_state, tasks, recovered, 0
        self.deactivated = bool(drain_state)

    def call(self, server: str, kind: str, **body: Any) -> tuple[int, Any]:
        if server != "m2:5050":
            return 307, ""
        if kind == "GET_AGENTS":
            drain = {"drain_info": {"state": self.state}} if self.state else {}
            row = {"agent_info": {"id": {"value": "S1"}}, "pid": "slave(1)@a1:5051", "deactivated": self.deactivated, **drain}
            return 200, {"get_agents": {"agents": [row]}}
        if kind == "GET_TASKS":
            about = {"agent_id": {"value": "S1"}, "framework_id": {"value": "F1"}, "state": "TASK_RUNNING"}
            return 200, {"get_tasks": {"tasks": [{"task_id": {"value": f"t{n}"}, **about} for n in range(self.tasks)]}}
        if kind == "GET_FRAMEWORKS":
            row = {"framework_info": {"id": {"value": "F1"}}, "recovered": self.recovered}
            return 200, {"get_frameworks": {"frameworks": [row]}}
        self.asked += 1
        if kind == "REACTIVATE_AGENT":
            self.state, self.deactivated = "", False
        else:
            assert body["drain_agent"]["max_grace_period"] == {"seconds": 5}
            self.deactivated, self.tasks = True, 0
            self.state = "DRAINED" if self.asked > 1 else "DRAINING"
        return 200, {}


def drained(monkeypatch: pytest.MonkeyPatch, master: Master, work: str) -> Any:
    script = load("mesos/files/drain.py")
    now = [0.0]
    monkeypatch.setattr(script, "call", master.call)
    monkeypatch.setattr(script.time, "time", lambda: now[0])
    monkeypatch.setattr(script.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    asked = {"masters": ["m1:5050", "m2:5050"], "agent": "a1:5051", "grace": 5, "timeout": 30}
    return getattr(script, work)(script.Agent(asked), asked)


def test_a_drain_that_hangs_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    master = Master()
    assert drained(monkeypatch, master, "drain") == (True, "drained")
    assert master.asked == 2
    assert drained(monkeypatch, master, "drain")[0] is False


def test_a_drain_that_could_never_end_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"F1.*teardown"):
        drained(monkeypatch, Master(recovered=True), "drain")


def test_reactivation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drained(monkeypatch, Master("DRAINED"), "reactivate") == (True, "takes work again")
    assert drained(monkeypatch, Master(), "reactivate") == (False, "takes work")
    with pytest.raises(SystemExit, match="DRAINING after 30 s"):
        drained(monkeypatch, Master("DRAINING"), "reactivate")
