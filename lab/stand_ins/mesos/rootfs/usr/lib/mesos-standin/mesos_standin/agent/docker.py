"""The Docker containerizer: `docker run` for tasks with a DOCKER container, through the client as the real one does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

Json = dict[str, Any]
PREFIX = "mesos-"
_SANDBOX = "/mnt/mesos/sandbox"
_MIN_MEMORY_MB, _MIN_CPU_SHARES = 32, 2


class DockerFailed(Exception):
    """A docker command failed; the text is what the real agent reports."""


class Docker:
    """One docker client. `command` is the client with its socket."""

    def __init__(self, command: list[str], cfs_quota: bool) -> None:
        self._command = command
        self._cfs_quota = cfs_quota

    async def call(self, *arguments: str) -> str:
        """Runs a docker command and returns its output; DockerFailed when it fails."""
        argv = [*self._command, *arguments]
        pipe = asyncio.subprocess.PIPE
        try:
            child = await asyncio.create_subprocess_exec(*argv, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise DockerFailed(f"Failed to run '{' '.join(argv)}': {error.strerror}") from None
        out, err = await child.communicate()
        if child.returncode:
            problem = f"exited with status {child.returncode}; stderr='{err.decode(errors='replace')}'"
            raise DockerFailed(f"Failed to run '{' '.join(argv)}': {problem}")
        return out.decode(errors="replace")

    async def names(self) -> set[str]:
        """All containers named mesos-..., running or not."""
        names = [line.split()[-1] for line in (await self.call("ps", "-a")).splitlines()[1:] if line.strip()]
        return {name for name in names if name.startswith(PREFIX)}

    async def pull(self, image: str, force: bool, seconds: float) -> None:
        """Makes the image available; DockerFailed when it is not there in time."""
        if not force:
            try:
                await self.call("image", "inspect", "--format", "{{.Id}}", image)
                return
            except DockerFailed:
                pass  # not here yet: the pull says what is wrong
        try:
            await asyncio.wait_for(self.call("pull", image), seconds)
        except asyncio.TimeoutError:  # noqa: UP041 - another class than TimeoutError before Python 3.11
            raise DockerFailed(f"Failed to pull '{image}' within {seconds:g}secs") from None

    async def address(self, name: str) -> str | None:
        """The container's own address ('' in the host network), None while it does not run."""
        try:
            rows = json.loads(await self.call("inspect", name))
        except DockerFailed:
            return None
        if not rows[0]["State"]["Running"]:
            return None
        networks = rows[0]["NetworkSettings"].get("Networks") or {}
        return next((str(network["IPAddress"]) for network in networks.values() if network.get("IPAddress")), "")

    async def stop(self, name: str, grace: float) -> None:
        """Stops a container: SIGTERM, then SIGKILL after `grace` seconds."""
        await self.call("stop", "-t", str(int(grace)), name)

    async def remove(self, name: str) -> None:
        """Removes a container and its anonymous volumes, running or not."""
        await self.call("rm", "-f", "-v", name)

    def run_command(self, name: str, task: Json, sandbox: str, env: dict[str, str], role: str) -> list[str]:
        """The client command that runs a task attached, so that it ends with the container's status."""
        container, docker = task["container"], task["container"]["docker"]
        scalars = {row["name"]: row["scalar"]["value"] for row in task.get("resources", []) if "scalar" in row}
        shares = max(_MIN_CPU_SHARES, int(1024 * scalars.get("cpus", 0.1)))
        memory = int(max(_MIN_MEMORY_MB, scalars.get("mem", 0))) * 1024 * 1024
        options = ["--cpu-shares", str(shares), "--memory", str(memory), "--name", name]
        if self._cfs_quota:
            options += ["--cpu-period", "100000", "--cpu-quota", str(int(100000 * scalars.get("cpus", 0.1)))]
        shown = {**env, "MESOS_SANDBOX": _SANDBOX, "MESOS_CONTAINER_NAME": name, "MESOS_ALLOCATION_ROLE": role}
        for variable, value in shown.items():
            options += ["-e", f"{variable}={value}"]
        options += ["-v", f"{sandbox}:{_SANDBOX}", *_volumes(container), *_network(container)]
        if docker.get("privileged"):
            options.append("--privileged")
        options += [f"--{row['key']}={row['value']}" for row in docker.get("parameters", [])]
        entrypoint, arguments = _command(task.get("command", {}))
        return [*self._command, "run", *options, *entrypoint, docker["image"], *arguments]


def _volumes(container: Json) -> list[str]:
    options: list[str] = []
    for volume in container.get("volumes", []):
        host = f"{volume['host_path']}:" if volume.get("host_path") else ""
        options += ["-v", f"{host}{volume['container_path']}:{volume.get('mode', 'RW').lower()}"]
    return options


def _network(container: Json) -> list[str]:
    docker = container["docker"]
    network = docker.get("network", "HOST")
    name = network.lower()
    if network == "USER":
        infos = container.get("network_infos") or [{}]
        name = infos[0].get("name", "")
        if not name:
            raise DockerFailed("No network info found in container info")
    options = ["--net", name]
    if container.get("hostname") and network != "HOST":
        options += ["--hostname", container["hostname"]]
    if docker.get("port_mappings") and network not in ("BRIDGE", "USER"):
        raise DockerFailed("Port mappings are only supported for bridge and user-defined networks")
    for row in docker.get("port_mappings", []):
        options += ["-p", f"{row['host_port']}:{row['container_port']}/{row.get('protocol', 'tcp')}"]
    return options


def _command(command: Json) -> tuple[list[str], list[str]]:
    """(entrypoint option, arguments): a shell replaces the entrypoint, else the image's own one stays."""
    if command.get("shell", True) and "value" in command:
        return ["--entrypoint", "/bin/sh"], ["-c", command["value"]]
    value = [command["value"]] if command.get("value") else []
    return [], [*value, *command.get("arguments", [])]
