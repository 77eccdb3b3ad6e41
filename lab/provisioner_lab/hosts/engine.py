"""Makes sure that a Docker Engine answers on this machine, and that the programs which build a lab are there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.errors import ProvisionError, UsageError
from provisioner.mirror.programs import Say, attempt, run, system_path, working
from provisioner_lab.cache import exclusively
from provisioner_lab.commands import run_logged

#: Debian package → the program that proves it is there.
BUILD_PACKAGES: dict[str, str] = {
    "apt-utils": "apt-ftparchive",
    "gpg": "gpg",
    "gpg-agent": "gpg-agent",
    "iproute2": "ip",
    "mmdebstrap": "mmdebstrap",
    "openssh-client": "ssh-keygen",
    "zstd": "zstd",
}
ENGINE_PACKAGES: dict[str, str] = {"docker.io": "dockerd", "iptables": "iptables"}

_START_SECONDS = 60.0
_PID_FILE = Path("/var/run/docker.pid")
_LOG = Path("/var/log/provisioner-lab/dockerd.log")
_APPARMOR = Path("/sys/module/apparmor/parameters/enabled")
_POLICY = Path("/usr/sbin/policy-rc.d")


def answers() -> bool:
    """Does a Docker Engine answer here?"""
    return bool(program("docker")) and attempt(["docker", "info", "--format", "{{.ServerVersion}}"], timeout=30).returncode == 0


def ensure(say: Say) -> None:
    """Installs what is missing and starts an engine when none answers; does nothing when all is there.

    Raises UsageError when this machine can't be helped: not root, or neither Debian nor Ubuntu.
    """
    if all(program(name) for name in BUILD_PACKAGES.values()) and answers():
        return
    # Of two labs that are made at once on a fresh machine one installs, the other waits and finds all there.
    with exclusively(say):
        _complete(say)


def _complete(say: Say) -> None:
    running = answers()
    wanted = dict(BUILD_PACKAGES)
    if not running:
        wanted |= ENGINE_PACKAGES
        if _APPARMOR.exists() and _APPARMOR.read_text().startswith("Y"):
            # The engine only recommends it, but can't start a container without it on a kernel that uses AppArmor.
            wanted["apparmor"] = "apparmor_parser"
    missing = sorted(package for package, name in wanted.items() if not program(name))
    if missing:
        _install(missing, say)
    if not running and not answers():
        start(say)


def wake(say: Say) -> bool:
    """Starts the installed engine when none answers; False where none is installed. Raises UsageError as `ensure` does."""
    if answers():
        return True
    if not program("dockerd"):
        return False
    with exclusively(say):
        if not answers():
            start(say)
    return True


def ensure_vagrant(say: Say) -> None:
    """Installs Vagrant where it is missing. Raises UsageError as `ensure` does, and where there is no such package."""
    if not program("vagrant"):
        _install(["vagrant"], say)


def _install(packages: list[str], say: Say) -> None:
    names = " ".join(packages)
    if not program("apt-get"):
        raise UsageError(f"the lab builds Debian hosts and needs {names}",
                         hint="run the lab on Debian or Ubuntu, or install these programs and start a Docker Engine yourself")
    require_root(f"install {names}")
    run_logged(["apt-get", "update"], _LOG.with_name("apt-update.log"), say=say, what="package lists of this machine")
    absent = [package for package in packages if attempt(["apt-cache", "show", package]).returncode]
    if absent:
        raise UsageError(f"this machine's package sources have no {' '.join(absent)}",
                         hint="install it yourself and try again" + (", or choose --backend docker" if "vagrant" in absent else ""))
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    with _no_services():
        run_logged(command, _LOG.with_name("apt-install.log"), say=say, what=f"installing {names}",
                   environment={"DEBIAN_FRONTEND": "noninteractive"})


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Without systemd the package would start the engine through its old start script, whose limits fail in a container."""
    if Path("/run/systemd/system").is_dir() or _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink()


def start(say: Say) -> None:
    """Starts the installed engine. Raises UsageError when not root, ProvisionError when it does not answer."""
    require_root("start the Docker Engine")
    with working(say, "starting the Docker Engine"):
        if Path("/run/systemd/system").is_dir():
            run(["systemctl", "start", "docker"], what="starting docker.service")
            _wait(None)
            return
        _drop_stale_pid_file()
        _LOG.parent.mkdir(parents=True, exist_ok=True)
        command = [program("dockerd"), "--pidfile", str(_PID_FILE)]
        with _LOG.open("ab") as log:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                      cwd="/", env=system_path())
        _wait(daemon)


def _wait(daemon: subprocess.Popen[bytes] | None) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and (daemon is None or daemon.poll() is None):
        if answers():
            return
        time.sleep(0.3)
    tail = "\n".join(_LOG.read_text(errors="replace").splitlines()[-8:]) if daemon is not None else ""
    raise ProvisionError(f"the Docker Engine does not answer:\n{tail}", hint=f"look into {_LOG} or the journal of docker.service")


def _drop_stale_pid_file() -> None:
    """After a restart of this machine the number in the file may belong to another program; dockerd would refuse to start."""
    if not _PID_FILE.exists():
        return
    pid = _PID_FILE.read_text().strip()
    name = Path("/proc", pid, "comm")
    if not pid.isdigit() or not name.exists() or name.read_text().strip() != "dockerd":
        _PID_FILE.unlink()


def program(name: str) -> str:
    """Full path of a program, '' when it is not there."""
    return shutil.which(name, path=system_path()["PATH"]) or ""


def require_root(what: str) -> None:
    """Raises UsageError for anybody else."""
    if os.geteuid() != 0:
        raise UsageError(f"only root may {what}", hint="run this command as root, or do it yourself and try again")
