"""`docker run` as Mesos' Docker containerizer calls it, feature by feature."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from lab_executor.docker import run_arguments
from lab_executor.runner import LaunchError

FLAGS = {"container": "mesos-c1", "sandbox_directory": "/box", "mapped_directory": "/mnt/mesos/sandbox", "docker": "docker",
         "docker_socket": "/var/run/docker.sock"}
PORTS = {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31010}]}}


def task(docker: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A Docker task of an image without a command of its own."""
    return {"task_id": {"value": "t"}, "command": {"shell": False},
            "container": {"type": "DOCKER", "docker": {"image": "img:1", **(docker or {})}, **(container or {})}, **more}


def run(*args: Any, flags: dict[str, str] | None = None, **more: Any) -> list[str]:
    return run_arguments(task(*args, **more), {**FLAGS, **(flags or {})})


def values(arguments: list[str], option: str) -> list[str]:
    """What follows an option wherever it stands before the image."""
    return [value for name, value in itertools.pairwise(arguments) if name == option]


def scalar(name: str, value: float, role: str = "*") -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, "allocation_info": {"role": role}}


def test_the_least() -> None:
    assert run() == ["-e", "MESOS_SANDBOX=/mnt/mesos/sandbox", "-e", "MESOS_CONTAINER_NAME=mesos-c1", "-e", "MESOS_ALLOCATION_ROLE=",
                     "-v", "/box:/mnt/mesos/sandbox", "--net", "host", "--name", "mesos-c1", "img:1"]


@pytest.mark.parametrize(("command", "before", "after"), [
    ({"value": "echo hi; exit 3"}, ["--entrypoint", "/bin/sh"], ["-c", "echo hi; exit 3"]),
    ({"shell": True, "value": "x", "arguments": ["ignored"]}, ["--entrypoint", "/bin/sh"], ["-c", "x"]),
    ({"shell": False, "value": "prog", "arguments": ["a b", "c"]}, [], ["prog", "a b", "c"]),
    ({"shell": False, "arguments": ["a"]}, [], ["a"])])
def test_shell_and_arguments(command: dict[str, Any], before: list[str], after: list[str]) -> None:
    found = run(command=command)
    assert found[found.index("img:1") + 1:] == after
    assert values(found, "--entrypoint") == before[1:]


def test_environment_in_mesos_order() -> None:
    found = values(run(command={"shell": False, "environment": {"variables": [
        {"name": "A", "value": "1=2"}, {"name": "MESOS_SANDBOX", "value": "/own"}, {"name": "HOOK", "value": "task"},
        {"name": "S", "type": "SECRET"}]}}, resources=[scalar("cpus", 1, "dev")], flags={"task_environment": '{"HOOK": "agent"}'}), "-e")
    assert found == ["A=1=2", "MESOS_SANDBOX=/mnt/mesos/sandbox", "HOOK=agent", "MESOS_CONTAINER_NAME=mesos-c1",
                     "MESOS_ALLOCATION_ROLE=dev"]


def test_resources() -> None:
    asked = [scalar("cpus", 0.5), scalar("cpus", 0.25), scalar("mem", 64)]
    assert values(run(resources=asked), "--cpu-shares") == ["768"]
    assert values(run(resources=asked), "--memory") == [str(64 << 20)]
    assert values(run(resources=asked), "--cpu-quota") == []
    assert values(run(resources=asked, flags={"cgroups_enable_cfs": "true"}), "--cpu-quota") == ["75000"]
    little = run(resources=[scalar("cpus", 0.001), scalar("mem", 1)], flags={"cgroups_enable_cfs": "true"})
    assert (values(little, "--cpu-shares"), values(little, "--memory"), values(little, "--cpu-quota")) == (["2"], [str(32 << 20)], ["1000"])


def test_limits() -> None:
    asked = [scalar("cpus", 1), scalar("mem", 64)]
    found = run(resources=asked, limits={"cpus": {"value": 2}, "mem": {"value": 128}})
    assert (values(found, "--cpu-shares"), values(found, "--cpu-quota")) == (["1024"], ["200000"])
    assert (values(found, "--memory-reservation"), values(found, "--memory")) == ([str(64 << 20)], [str(128 << 20)])
    endless = run(resources=asked, limits={"cpus": {"value": float("inf")}, "mem": {"value": "Infinity"}},
                  flags={"cgroups_enable_cfs": "true"})
    assert (values(endless, "--cpu-quota"), values(endless, "--memory")) == ([], [])


@pytest.mark.parametrize(("volume", "expected"), [
    ({"host_path": "/data", "container_path": "/d", "mode": "RO"}, "/data:/d:ro"),
    ({"host_path": "logs", "container_path": "/d", "mode": "RW"}, "/box/logs:/d:rw"),
    ({"host_path": "/data", "container_path": "d", "mode": "RW"}, "/data:/mnt/mesos/sandbox/d:rw"),
    ({"container_path": "/d", "mode": "RW", "source": {"type": "DOCKER_VOLUME", "docker_volume": {"name": "v"}}}, "v:/d:rw")])
def test_volumes(volume: dict[str, Any], expected: str) -> None:
    assert values(run({}, {"volumes": [volume]}), "-v") == [expected, "/box:/mnt/mesos/sandbox"]


def test_volume_driver() -> None:
    named = {"container_path": "/d", "source": {"type": "DOCKER_VOLUME", "docker_volume": {"name": "v", "driver": "rex"}}}
    assert "--volume-driver=rex" in run({}, {"volumes": [named]})
    assert values(run({"volume_driver": "rex"}, {"volumes": [{"host_path": "v", "container_path": "/d"}]}), "-v")[0] == "v:/d:rw"
    refused("Only one volume driver per task is supported", {"volume_driver": "other"}, {"volumes": [named]})


def refused(why: str, *args: Any, **more: Any) -> None:
    with pytest.raises(LaunchError) as caught:
        run(*args, **more)
    assert str(caught.value) == f"Failed to create docker run options: {why}"


def test_networks() -> None:
    infos = {"network_infos": [{"name": "mine"}]}
    assert values(run({"network": "BRIDGE"}), "--net") == ["bridge"]
    assert values(run({"network": "NONE"}), "--net") == ["none"]
    assert values(run({"network": "USER"}, infos), "--net") == ["mine"]
    found = run({"network": "BRIDGE", "parameters": [{"key": "net", "value": "container:x"}, {"key": "net", "value": "y"}]})
    assert values(found, "--net") == ["container:x"]
    assert "--net=y" in found
    refused("No network info found in container info", {"network": "USER"})
    refused("No network name found in network info", {"network": "USER"}, {"network_infos": [{}]})
    refused("Only a single network can be defined in Docker run", {"network": "USER"}, {"network_infos": [{}, {}]})


def test_hostname_privileged_parameters() -> None:
    found = run({"network": "BRIDGE", "privileged": True, "parameters": [{"key": "label", "value": "a=b"}]}, {"hostname": "web"})
    assert values(found, "--hostname") == ["web"]
    assert found[0] == "--privileged"
    assert found[found.index("img:1") - 1] == "--label=a=b"
    refused("Unable to set hostname with host network mode", {}, {"hostname": "web"})


def test_ports() -> None:
    mapped = [{"host_port": 31000, "container_port": 80}, {"host_port": 31010, "container_port": 53, "protocol": "UDP"}]
    assert values(run({"network": "BRIDGE", "port_mappings": mapped}, resources=[PORTS]), "-p") == ["31000:80", "31010:53/udp"]
    refused("Port mappings are only supported for bridge and user-defined networks", {"port_mappings": mapped}, resources=[PORTS])
    refused("Port mappings require port resources", {"network": "BRIDGE", "port_mappings": mapped})
    refused("Port [31011] not included in resources", {"network": "BRIDGE", "port_mappings": [{"host_port": 31011, "container_port": 1}]},
            resources=[PORTS])


def test_dns_of_the_agent() -> None:
    rows = {"docker": [{"network_mode": "BRIDGE", "dns": {"nameservers": ["10.0.0.1"], "search": ["a.b"], "options": ["ndots:1"]}},
                       {"network_mode": "USER", "dns": {"nameservers": ["10.0.0.2"]}},
                       {"network_mode": "USER", "network_name": "mine", "dns": {"nameservers": ["10.0.0.3"]}}]}
    flags = {"default_container_dns": json.dumps(rows)}
    bridge = run({"network": "BRIDGE"}, flags=flags)
    assert [values(bridge, option) for option in ("--dns", "--dns-search", "--dns-opt")] == [["10.0.0.1"], ["a.b"], ["ndots:1"]]
    assert values(run({"network": "USER"}, {"network_infos": [{"name": "mine"}]}, flags=flags), "--dns") == ["10.0.0.3"]
    assert values(run({"network": "USER"}, {"network_infos": [{"name": "other"}]}, flags=flags), "--dns") == ["10.0.0.2"]
    assert values(run(flags=flags), "--dns") == []
    assert values(run({"network": "BRIDGE", "parameters": [{"key": "dns", "value": "1.1.1.1"}]}, flags=flags), "--dns") == []


def test_what_is_no_docker_task_is_refused() -> None:
    with pytest.raises(LaunchError, match="No docker info found in container info"):
        run_arguments({"task_id": {"value": "t"}, "container": {}}, FLAGS)
    refused("Shell specified but no command value provided", command={})
    refused("Host path or volume source is required", {}, {"volumes": [{"container_path": "/d"}]})
    refused("Both host_path 'a' and container_path 'b' of a volume are relative", {},
            {"volumes": [{"host_path": "a", "container_path": "b"}]})
