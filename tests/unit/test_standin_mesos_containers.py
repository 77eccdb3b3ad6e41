"""What the Mesos stand-in's agent remembers, and how it calls Docker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.mesos_standin_samples import Json, form, run

from mesos_standin.agent.checkpoint import Checkpoint, Incompatible, check_compatible  # isort: skip
from mesos_standin.agent.docker import Docker, DockerFailed
from mesos_standin.resources import Resources, parse_attributes


def changed(**more: Any) -> Json:
    """The info of agent a2 with changes, as a restart with other flags has it."""
    info: Json = {**form(2)["agent_info"], **more}
    return info


@pytest.mark.parametrize(
    ("new", "policy", "problem"),
    [
        (changed(), "equal", ""),
        (changed(hostname="other.example"), "equal", "Incompatible agent info detected"),
        (changed(port=5062), "equal", "Incompatible agent info detected"),
        (changed(attributes=parse_attributes("rack:b;zone:z1")), "equal", 'value: "b"'),
        (changed(resources=Resources({"cpus": 3.0}).v1()), "equal", "value: 3"),
        (changed(attributes=parse_attributes("rack:a2;zone:z1;x:y")), "additive", ""),
        (changed(attributes=parse_attributes("rack:b;zone:z1")), "additive", "text attribute 'rack' changed from a2 to b"),
        (changed(resources=Resources({"cpus": 1.0}).v1()), "additive", "'cpus' decreased from 2 to 1"),
    ],
)
def test_a_changed_agent_needs_a_new_id(new: Json, policy: str, problem: str) -> None:
    old = {**changed(), "id": {"value": "x-S0"}, "checkpoint": True}
    if not problem:
        check_compatible(old, new, policy)
        return
    with pytest.raises(Incompatible) as refused:
        check_compatible(old, new, policy)
    assert problem in str(refused.value)


def test_the_first_info_stays_the_base_and_latest_is_a_link(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.recover() is None
    checkpoint.remember({"id": {"value": "x-S0"}, "port": 5051})
    assert checkpoint.latest.is_symlink()
    assert (checkpoint.recover() or {})["port"] == 5051
    checkpoint.latest.unlink()
    assert Checkpoint(tmp_path).recover() is None


def docker_task(**docker: Any) -> Json:
    """A task for the Docker containerizer."""
    container = {"type": "DOCKER", "docker": {"image": "busybox:1.35", **docker}}
    sizes = Resources({"cpus": 0.5, "mem": 64.0}).v1()
    return {"container": container, "resources": sizes, "command": {"shell": True, "value": "httpd -f"}}


def test_docker_command_maps_ports_labels_and_sizes() -> None:
    ports = [{"host_port": 31200, "container_port": 8080, "protocol": "tcp"}]
    task = docker_task(network="BRIDGE", port_mappings=ports, parameters=[{"key": "label", "value": "a=b"}])
    argv = Docker(["docker"], cfs_quota=False).run_command("mesos-1", task, "/box", {"SERVICE_NAME": "web"}, "*")
    text = " ".join(argv)
    assert text.startswith("docker run --cpu-shares 512 --memory 67108864 --name mesos-1")
    assert "-e SERVICE_NAME=web" in text
    assert "-v /box:/mnt/mesos/sandbox --net bridge -p 31200:8080/tcp --label=a=b" in text
    assert argv[-5:] == ["--entrypoint", "/bin/sh", "busybox:1.35", "-c", "httpd -f"]


def test_docker_command_keeps_the_entrypoint_without_a_shell() -> None:
    task = {**docker_task(network="HOST"), "command": {"shell": False, "value": "sh", "arguments": ["-c", "true"]}}
    argv = Docker(["docker"], cfs_quota=True).run_command("mesos-1", task, "/box", {}, "*")
    assert argv[-4:] == ["busybox:1.35", "sh", "-c", "true"]
    assert argv[argv.index("--cpu-quota") + 1] == "50000"


def test_docker_refuses_port_mappings_in_the_host_network() -> None:
    task = docker_task(network="HOST", port_mappings=[{"host_port": 1, "container_port": 1}])
    with pytest.raises(DockerFailed, match="Port mappings are only supported"):
        Docker(["docker"], cfs_quota=False).run_command("mesos-1", task, "/box", {}, "*")


def test_docker_failures_name_the_command() -> None:
    with pytest.raises(DockerFailed, match="Failed to run 'false ps -a': exited with status 1"):
        run(Docker(["false"], cfs_quota=False).names)
