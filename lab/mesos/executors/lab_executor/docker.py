"""The `docker run` command line of a task, as Mesos' Docker containerizer makes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from .command import role, variables
from .runner import LaunchError

#: Mesos' constants: shares of one CPU, least shares, least bytes of memory, CFS period and least quota in microseconds
SHARES_PER_CPU, LEAST_SHARES, LEAST_MEMORY, CFS_PERIOD, LEAST_QUOTA = 1024, 2, 32 << 20, 100_000, 1000

MEGABYTE = 1 << 20


def run_arguments(task: dict[str, Any], flags: dict[str, str]) -> list[str]:
    """Arguments of `docker run` for a TaskInfo; `flags` are the executor's. LaunchError says what can't be done."""
    try:
        return list(_arguments(task, flags))
    except LaunchError as error:
        raise LaunchError(f"Failed to create docker run options: {error}") from None


def _arguments(task: dict[str, Any], flags: dict[str, str]) -> Iterator[str]:
    container, command = task["container"], task.get("command", {})
    if "docker" not in container:
        raise LaunchError("No docker info found in container info")
    docker = container["docker"]
    if docker.get("privileged"):
        yield "--privileged"
    yield from _limits(task, flags.get("cgroups_enable_cfs") == "true")
    for name, value in _environment(task, flags).items():
        yield from ("-e", f"{name}={value}")
    yield from _volumes(container, flags)
    network, parameters = _network(container)
    yield from ("--net", network)
    yield from _dns(docker, network, flags)
    if "hostname" in container:
        if network == "host":
            raise LaunchError("Unable to set hostname with host network mode")
        yield from ("--hostname", container["hostname"])
    yield from _ports(task, network)
    if command.get("shell", True):
        yield from ("--entrypoint", "/bin/sh")
    yield from ("--name", flags["container"])
    for parameter in parameters:
        yield f"--{parameter['key']}={parameter['value']}"
    yield docker["image"]
    if not command.get("shell", True):
        yield from [*([command["value"]] if "value" in command else []), *command.get("arguments", [])]
    elif "value" in command:
        yield from ("-c", command["value"])
    else:
        raise LaunchError("Shell specified but no command value provided")


def _scalar(task: dict[str, Any], name: str) -> float | None:
    found = [float(one["scalar"]["value"]) for one in task.get("resources", []) if one["name"] == name and "scalar" in one]
    return sum(found) if found else None


def _limits(task: dict[str, Any], enforce_cpus: bool) -> Iterator[str]:
    """Shares and memory of what was asked for; hard limits where the task has them, or for CPUs where the agent enforces them."""
    cpus, memory = _scalar(task, "cpus"), _scalar(task, "mem")
    limits = {name: float(one["value"]) for name, one in task.get("limits", {}).items()}
    if cpus is not None:
        yield from ("--cpu-shares", str(max(LEAST_SHARES, int(SHARES_PER_CPU * cpus))))
    quota = limits.get("cpus", cpus if enforce_cpus else None)
    if quota is not None and not math.isinf(quota):
        yield from ("--cpu-quota", str(max(LEAST_QUOTA, round(CFS_PERIOD * quota))))
    if "mem" in limits and memory is not None:
        yield from ("--memory-reservation", str(max(LEAST_MEMORY, int(memory * MEGABYTE))))
    most = limits.get("mem", memory)
    if most is not None and not math.isinf(most):
        yield from ("--memory", str(max(LEAST_MEMORY, int(most * MEGABYTE))))


def _environment(task: dict[str, Any], flags: dict[str, str]) -> dict[str, str]:
    """The task's variables, those that the agent adds, and Mesos' own."""
    found = {**variables(task.get("command", {}).get("environment", {})), **json.loads(flags.get("task_environment", "{}"))}
    return {**found, "MESOS_SANDBOX": flags["mapped_directory"], "MESOS_CONTAINER_NAME": flags["container"],
            "MESOS_ALLOCATION_ROLE": role(task)}


def _volumes(container: dict[str, Any], flags: dict[str, str]) -> Iterator[str]:
    drivers = {container["docker"]["volume_driver"]} if "volume_driver" in container["docker"] else set()
    for volume in container.get("volumes", []):
        source = volume.get("source", {})
        if "host_path" in volume:
            host = volume["host_path"]
            if not host.startswith("/") and not volume["container_path"].startswith("/"):
                raise LaunchError(f"Both host_path '{host}' and container_path '{volume['container_path']}' of a volume are relative")
            if not host.startswith("/") and "volume_driver" not in container["docker"]:
                host = f"{flags['sandbox_directory']}/{host}"
        elif source.get("type") == "DOCKER_VOLUME":
            host = source["docker_volume"]["name"]
            drivers |= {source["docker_volume"]["driver"]} if "driver" in source["docker_volume"] else set()
        elif source:
            continue  # as Mesos does: such a volume is for another containerizer
        else:
            raise LaunchError("Host path or volume source is required")
        inside = volume["container_path"]
        inside = inside if inside.startswith("/") else f"{flags['mapped_directory']}/{inside}"
        yield from ("-v", f"{host}:{inside}:{volume.get('mode', 'RW').lower()}")
    yield from ("-v", f"{flags['sandbox_directory']}:{flags['mapped_directory']}")
    if len(drivers) > 1:
        raise LaunchError("Only one volume driver per task is supported")
    yield from (f"--volume-driver={driver}" for driver in drivers)


def _network(container: dict[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """The network's name and the parameters that are left: the first `net` or `network` among them overrides the mode."""
    docker, parameters = container["docker"], list(container["docker"].get("parameters", []))
    network, infos = docker.get("network", "HOST"), container.get("network_infos", [])
    name = network.lower()
    if network == "USER":
        if len(infos) != 1:
            raise LaunchError("Only a single network can be defined in Docker run" if infos else "No network info found in container info")
        if "name" not in infos[0]:
            raise LaunchError("No network name found in network info")
        name = infos[0]["name"]
    for parameter in parameters:
        if parameter["key"] in ("net", "network"):
            parameters.remove(parameter)
            return parameter["value"], parameters
    return name, parameters


def _ports(task: dict[str, Any], network: str) -> Iterator[str]:
    mappings = task["container"]["docker"].get("port_mappings", [])
    if mappings and network in ("host", "none"):
        raise LaunchError("Port mappings are only supported for bridge and user-defined networks")
    offered = [one for resource in task.get("resources", []) if resource["name"] == "ports" for one in resource["ranges"].get("range", [])]
    if mappings and not offered:
        raise LaunchError("Port mappings require port resources")
    for mapping in mappings:
        port = mapping["host_port"]
        if not any(one["begin"] <= port <= one["end"] for one in offered):
            raise LaunchError(f"Port [{port}] not included in resources")
        yield from ("-p", f"{port}:{mapping['container_port']}" + (f"/{mapping['protocol'].lower()}" if "protocol" in mapping else ""))


def _dns(docker: dict[str, Any], network: str, flags: dict[str, str]) -> Iterator[str]:
    """The agent's --default_container_dns, for bridge and user networks, unless the task says something of DNS itself."""
    if any(one["key"] in ("dns", "dns-search", "dns-opt", "dns-option") for one in docker.get("parameters", [])):
        return
    chosen: dict[str, Any] = {}
    for row in json.loads(flags.get("default_container_dns", "{}")).get("docker", []):
        if row["network_mode"] != docker.get("network", "HOST"):
            continue
        if row["network_mode"] == "BRIDGE" or row.get("network_name") == network or ("network_name" not in row and not chosen):
            chosen = row
    for option, key in (("--dns", "nameservers"), ("--dns-search", "search"), ("--dns-opt", "options")):
        for value in chosen.get("dns", {}).get(key, []):
            yield from (option, value)
