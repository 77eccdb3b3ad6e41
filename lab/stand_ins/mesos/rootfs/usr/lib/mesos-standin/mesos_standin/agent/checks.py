"""What an agent refuses about its host and its containerizers: the checks of a recent Mesos (contract items 1, 2, 21)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

from mesos_standin import process
from mesos_standin.flags import FlagError, Flags

_ISOLATORS = {
    "cgroups/all", "cgroups/blkio", "cgroups/cpu", "cgroups/cpuset", "cgroups/devices", "cgroups/hugetlb",
    "cgroups/mem", "cgroups/net_cls", "cgroups/net_prio", "cgroups/perf_event", "cgroups/pids", "disk/du",
    "docker/runtime", "docker/volume", "environment_secret", "filesystem/linux", "filesystem/posix",
    "filesystem/shared", "linux/capabilities", "linux/devices", "linux/nnp", "namespaces/ipc", "namespaces/pid",
    "network/cni", "posix/cpu", "posix/disk", "posix/mem", "posix/rlimits", "volume/host_path", "volume/image",
    "volume/sandbox_path", "volume/secret", "appc/runtime", "gpu/nvidia", "volume/csi",
}  # fmt: skip


def cgroup2_elsewhere(mounts: str) -> str:
    """The first cgroup2 mount of /proc/mounts that is not /sys/fs/cgroup, '' when there is none."""
    rows = [line.split() for line in mounts.splitlines()]
    return next((row[1] for row in rows if row[2] == "cgroup2" and row[1] != "/sys/fs/cgroup"), "")


def check_flags(flags: Flags) -> None:
    """The refusals that come before the agent does anything."""
    unexpected = cgroup2_elsewhere(Path("/proc/mounts").read_text())
    if unexpected:
        message = f"Found cgroups2 mount at an unexpected location '{unexpected}'"
        raise FlagError(f"Failed to check if cgroup2 filesystem is mounted: {message}")
    if not flags.has("work_dir"):
        raise FlagError("Flag 'work_dir' is required, but it was not provided")


def default_launcher() -> str:
    """`linux` for root on a kernel with the freezer, else `posix`."""
    listed = Path("/proc/cgroups").read_text().splitlines()
    freezer = any(row.split()[0] == "freezer" and row.split()[3] == "1" for row in listed)
    return "linux" if os.geteuid() == 0 and freezer else "posix"


def check_systemd(flags: Flags) -> None:
    """With systemd support, the host must run systemd and show its cgroups at their own place."""
    if not flags.on("systemd_enable_support") or Path("/sbin/init").resolve().name != "systemd":
        return
    runtime = flags.text("systemd_runtime_directory")
    if not Path(runtime).is_dir():
        process.exit_with(f"Failed to initialize systemd: Failed to locate systemd runtime directory: {runtime}")
    own = [line.rpartition(":")[2] for line in Path("/proc/1/cgroup").read_text().splitlines() if "name=systemd" in line]
    if own and own[0] not in ("/", "/init.scope"):
        slice_ = "'mesos_executors.slice' is not a valid cgroup"
        process.exit_with(f"Failed to initialize systemd: Failed to locate systemd cgroups hierarchy: {slice_}")


def check_containerizers(flags: Flags) -> None:
    """Containerizers, launcher and isolation, in the order in which the real agent creates them."""
    for name in flags.text("containerizers").split(","):
        if name == "docker":
            _check_docker(flags)
        elif name == "mesos":
            _check_mesos(flags)
        else:
            _refuse(f"Unknown or unsupported containerizer: {name}")


def docker_command(flags: Flags) -> list[str]:
    """The docker client with the agent's socket."""
    return [flags.text("docker"), "-H", f"unix://{flags.text('docker_socket')}"]


def _check_docker(flags: Flags) -> None:
    command = [*docker_command(flags), "--version"]
    try:
        status = subprocess.run(command, capture_output=True, check=False).returncode
    except OSError:
        status = 127
    if status:
        failed = f"Failed to execute '{' '.join(command)}': exited with status {status}"
        _refuse(f"Could not create DockerContainerizer: Failed to create docker: Failed to get docker version: {failed}")


def _check_mesos(flags: Flags) -> None:
    isolation = set(flags.text("isolation").split(","))
    launcher = flags.text("launcher")
    if flags.has("image_providers") and "filesystem/linux" not in isolation:
        _refuse_mesos("The 'filesystem/linux' isolator must be enabled for container image support")
    if launcher not in ("linux", "posix"):
        _refuse_mesos(f"Failed to create launcher: Unknown or unsupported launcher: {launcher}")
    for name in sorted(isolation - _ISOLATORS):
        _refuse_mesos(f"Unknown or unsupported isolator '{name}'")
    in_cgroups = any(name.startswith("cgroups/") for name in isolation)
    if launcher == "linux" and not in_cgroups:
        process.fatal("Check failed: !subsystemSet.empty() ")
    if launcher == "posix" and in_cgroups:
        process.fatal('Check failed: flags.launcher == "linux" ')
    if launcher == "posix" and "filesystem/linux" in isolation:
        _refuse_mesos("The 'filesystem/linux' isolator requires 'linux' launcher")
    _check_directories(flags)


def _check_directories(flags: Flags) -> None:
    binary = Path(flags.text("launcher_dir")) / "mesos-containerizer"
    if not binary.parent.is_dir():
        problem = f"The original file '{binary}' is not a regular file"
        _refuse_mesos(f"Failed to clone a sealed file '{binary}' in memory: {problem}")
    provisioner = Path(flags.text("work_dir")) / "provisioner"
    try:
        provisioner.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        root = f"Failed to create provisioner root directory '{provisioner}': {error.strerror}"
        _refuse_mesos(f"Failed to create provisioner: {root}")


def _refuse_mesos(problem: str) -> NoReturn:
    _refuse(f"Could not create MesosContainerizer: {problem}")


def _refuse(problem: str) -> NoReturn:
    process.exit_with(f"Failed to create a containerizer: {problem}")
