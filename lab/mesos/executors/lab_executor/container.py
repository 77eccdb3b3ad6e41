"""Docker tasks: the `docker run` client of one container, in the foreground, so that its end is the task's."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from typing import Any

from .checks import Target
from .docker import run_arguments
from .log import log
from .runner import LaunchError, Status
from .settings import Settings, SettingsError

#: Flags that the agent gives, and this needs.
NEEDED = ("container", "docker", "docker_socket", "sandbox_directory", "mapped_directory")

#: Seconds between two questions whether the container runs, for one of them, and between two requests to stop it.
INSPECT_DELAY, INSPECT_TIMEOUT, STOP_AGAIN = 0.3, 5.0, 5.0


class DockerRunner:
    """Runs a container of Docker Engine under the name that the agent gave. The agent has pulled the image, with `fetch`ed credentials."""

    name = "docker"
    title = "Container"

    def __init__(self, settings: Settings) -> None:
        self._flags = settings.flags
        missing = [f"--{name}" for name in NEEDED if name not in self._flags]
        if missing:
            raise SettingsError(f"{', '.join(missing)} not given: a Mesos agent starts this program")
        self.default_grace = settings.shutdown_grace
        self._docker = [self._flags["docker"], "-H", f"unix://{self._flags['docker_socket']}"]
        self._process: subprocess.Popen[bytes] | None = None
        self._network: dict[str, Any] = {}
        self._pid: int | None = None
        self._lock = threading.Lock()
        self._stopping: subprocess.Popen[bytes] | None = None

    def start(self, task: dict[str, Any]) -> None:
        """Start the client."""
        if "check" in task:
            raise LaunchError("Docker executor does not support checks yet")  # nor does Mesos 1.11
        self._network = {key: value for key, value in next(iter(task["container"].get("network_infos", [])), {}).items()
                         if key != "ip_addresses"}
        arguments = run_arguments(task, self._flags)
        try:
            self._process = subprocess.Popen([*self._docker, "run", *arguments], stdin=subprocess.DEVNULL, start_new_session=True)
        except OSError as error:
            raise LaunchError(f"Failed to run docker container: {error}") from None

    def started(self) -> Status | None:
        """Wait for the container, as long as its client runs: what Docker says of it, and its addresses."""
        process = self._running()
        while True:
            ended = process.poll() is not None
            text = self._inspect()
            if text is not None:
                return self._seen(text)
            if ended:
                return None
            time.sleep(INSPECT_DELAY)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None  # noqa: S101 - the task calls start first
        return self._process

    def _inspect(self) -> bytes | None:
        """Docker's answer once the container has started."""
        try:
            answer = subprocess.run([*self._docker, "inspect", "--type=container", self._flags["container"]], capture_output=True,
                                    timeout=INSPECT_TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            log(f"Docker did not answer within {INSPECT_TIMEOUT:g} s")
            return None
        if answer.returncode or json.loads(answer.stdout)[0]["State"]["StartedAt"].startswith("0001"):
            return None
        return answer.stdout

    def _seen(self, text: bytes) -> Status:
        container = json.loads(text)[0]
        self._pid = container["State"]["Pid"] or None
        networks = container["NetworkSettings"]["Networks"].values()
        addresses = [{"protocol": protocol, "ip_address": one[key]} for one in networks
                     for protocol, key in (("IPv4", "IPAddress"), ("IPv6", "GlobalIPv6Address")) if one.get(key)]
        found: Status = {"data": base64.b64encode(text).decode()}
        if addresses:
            found["container_status"] = {"network_infos": [{**self._network, "ip_addresses": addresses}]}
        return found

    def wait(self) -> int:
        """Wait for the client, which ends with the container's exit status."""
        return self._running().wait()

    def target(self) -> Target:
        """Commands in the container, connections in its network."""
        return Target(prefix=(*self._docker, "exec", self._flags["container"]), network_of=self._pid)

    def stop(self, grace: float) -> None:
        """Have Docker stop the container, and again if that fails or the container still runs afterwards."""
        argv = [*self._docker, "stop", "-t", str(int(grace)), self._flags["container"]]
        with self._lock:
            if self._stopping and self._stopping.poll() is None:
                self._stopping.kill()
            self._stopping = stopping = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        threading.Thread(target=self._stop_again, args=(stopping, grace), daemon=True).start()

    def _stop_again(self, stopping: subprocess.Popen[bytes], grace: float) -> None:
        if stopping.wait() > 0:
            log(f"failed to stop container {self._flags['container']}")
        time.sleep(STOP_AGAIN)
        if self._running().poll() is None and self._stopping is stopping:
            self.stop(grace)
