"""The hosts of a lab: containers that run systemd and sshd, made, stopped, started and broken on request."""

from __future__ import annotations

import io
import subprocess
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.errors import ProvisionError
from provisioner.mirror.programs import Say, attempt, run
from provisioner_lab.hosts import machine
from provisioner_lab.hosts.keys import KeyPair
from provisioner_lab.model import LABEL_LAB, LABEL_NODE, Lab, LabNode
from provisioner_lab.paths import lab_dir

# Five seconds on a quiet machine; a test machine may do much else at the same time, and a hundred hosts start together.
_BOOT_SECONDS = 180.0
_BOOT_SECONDS_PER_HOST = 5.0
#: How long an orderly shutdown may take.
STOP_SECONDS = 30
# useradd gives the first ordinary account of a Debian system the number 1000; the group `operator` is Debian's own.
_OWNERS = {"root": (0, 0), "operator": (1000, 37)}
#: Where init.sh looks for the files that only this host has.
IDENTITY = "/run/identity.tar"
# Without a terminal's help: does sshd greet on the node's own address?
_GREETING = "import socket,sys; sys.exit(socket.create_connection((sys.argv[1], 22), 2).recv(4) != b'SSH-')"


@dataclass(frozen=True)
class Mould:
    """What a host is made from: the image, and the engine's arguments for capabilities."""

    image: str
    capabilities: tuple[str, ...]


def create(lab: Lab, node: LabNode, mould: Mould, files: bytes) -> None:
    """Makes a host without starting it: only then may files be copied in (a running one would get its mounts twice).

    `files` is a tar of what it has beside the image.
    """
    container = lab.container(node.name)
    create_disk(lab, node)
    first = ["sh", "-c", first_script(), *first_arguments(lab, node)]
    run(["docker", "create", "--name", container, *own_arguments(lab, node), *shared_arguments(mould), mould.image, *first],
        what=f"making {container}")
    try:
        run(["docker", "cp", "-", f"{container}:/"], stdin=files, what=f"files of {container}")
    except ProvisionError:
        run(["docker", "rm", container], what=f"removing {container}")
        raise


def create_disk(lab: Lab, node: LabNode) -> None:
    """The volume under a host's /var/lib/docker; one that is there stays."""
    run(["docker", "volume", "create", *_labels(lab, node), lab.volume(node.name)], what=f"disk of {lab.container(node.name)}")


def own_arguments(lab: Lab, node: LabNode) -> list[str]:
    """The engine's arguments for what makes a container this host: labels, address, name, disk."""
    place = ["--network", lab.network, "--ip", node.address, "--hostname", node.name]
    return [*_labels(lab, node), *place, "--volume", f"{lab.volume(node.name)}:/var/lib/docker"]


def shared_arguments(mould: Mould) -> list[str]:
    """The engine's arguments that are the same for all hosts of a lab: what they may do, and how they live."""
    # Started again after `systemctl reboot`, which ends PID 1 with an error; not after a shutdown or a kill from outside.
    life = ["--stop-signal", "SIGRTMIN+3", "--restart", "on-failure"]
    freedom = [*mould.capabilities, *machine.limit_arguments(), "--cgroupns", "private"]
    for option in ("seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"):
        freedom += ["--security-opt", option]
    folders = [word for folder in ("/run", "/run/lock", "/tmp") for word in ("--tmpfs", folder)]  # noqa: S108 - of the node
    return [*life, *freedom, *folders]


def first_script() -> str:
    """What a host's first shell runs before systemd."""
    return (lab_dir() / "node" / "init.sh").read_text()


def first_arguments(lab: Lab, node: LabNode) -> list[str]:
    """Its $0, and the arguments that it describes."""
    return ["init", node.name, lab.gateway, lab.mirror]


def start(lab: Lab, names: Sequence[str], states: dict[str, str]) -> None:
    """Starts hosts; paused ones go on. `states` is what `read_states` said."""
    for name in names:
        verb = "unpause" if states.get(name) == "paused" else "start"
        run(["docker", verb, lab.container(name)], what=f"starting {name}")


def wait(lab: Lab, nodes: Sequence[LabNode], say: Say) -> None:
    """Until systemd has finished starting on each and sshd answers. Raises ProvisionError with what the node says."""
    until = time.monotonic() + _BOOT_SECONDS + _BOOT_SECONDS_PER_HOST * len(nodes)
    for node in nodes:
        while (state := _system_state(lab, node)) not in ("running", "degraded") or not _greets(lab, node):
            if time.monotonic() > until:
                raise _not_started(lab, node, state)
            time.sleep(0.3)
        if state == "degraded":
            listing = exec_in(lab, node.name, ["systemctl", "list-units", "--failed", "--plain", "--no-legend"]).stdout.decode()
            say(f"{node.name} runs, but these units failed: " + " ".join(line.split()[0] for line in listing.splitlines()))


def read_states(lab: Lab) -> dict[str, str]:
    """Host name (and `mirror`) → the state that the engine reports: running, exited, paused, created …"""
    row = f'{{{{.Label "{LABEL_NODE}"}}}} {{{{.State}}}}'
    command = ["docker", "ps", "--all", "--filter", f"label={LABEL_LAB}={lab.name}", "--format", row]
    pairs = [line.split() for line in run(command, what="containers of the lab").splitlines()]
    return {pair[0]: pair[1] for pair in pairs}


def exec_in(
    lab: Lab, name: str, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 120.0
) -> subprocess.CompletedProcess[bytes]:
    """Runs a command as root inside a host, beside SSH; its failure is an answer."""
    interactive = [] if stdin is None else ["--interactive"]
    return attempt(["docker", "exec", *interactive, lab.container(name), *argv], stdin=stdin, timeout=timeout)


def stop(lab: Lab, name: str, *, seconds: int = STOP_SECONDS) -> None:
    """An orderly shutdown, cut short after so many seconds."""
    command = ["docker", "stop", "--time", str(seconds), lab.container(name)]
    run(command, what=f"stopping {name}", timeout=seconds + 60)


def kill(lab: Lab, name: str) -> None:
    """Power off, without warning."""
    run(["docker", "kill", lab.container(name)], what=f"killing {name}")


def pause(lab: Lab, name: str) -> None:
    """Freezes every process of a host: it neither answers nor refuses."""
    run(["docker", "pause", lab.container(name)], what=f"pausing {name}")


def unpause(lab: Lab, name: str) -> None:
    """Lets a frozen host go on."""
    run(["docker", "unpause", lab.container(name)], what=f"continuing {name}")


def disconnect(lab: Lab, name: str) -> None:
    """Pulls the network cable."""
    run(["docker", "network", "disconnect", lab.network, lab.container(name)], what=f"disconnecting {name}")


def connect(lab: Lab, name: str) -> None:
    """Plugs it in again, with the same address."""
    address = lab.node(name).address
    run(["docker", "network", "connect", "--ip", address, lab.network, lab.container(name)], what=f"connecting {name}")
    run(["docker", "exec", lab.container(name), "ip", "route", "replace", "default", "via", lab.gateway], what=f"route of {name}")


def _labels(lab: Lab, node: LabNode) -> list[str]:
    return ["--label", f"{LABEL_LAB}={lab.name}", "--label", f"{LABEL_NODE}={node.name}"]


def _system_state(lab: Lab, node: LabNode) -> str:
    return exec_in(lab, node.name, ["systemctl", "is-system-running"], timeout=30).stdout.decode().strip()


def _greets(lab: Lab, node: LabNode) -> bool:
    return exec_in(lab, node.name, ["python3", "-c", _GREETING, node.address], timeout=30).returncode == 0


def _not_started(lab: Lab, node: LabNode, state: str) -> ProvisionError:
    log = attempt(["docker", "logs", "--tail", "15", lab.container(node.name)])
    said = (log.stdout + log.stderr).decode(errors="replace")
    return ProvisionError(f"host {node.name} did not start in minutes (systemd: {state or 'silent'})\n{said}",
                          hint=f"look inside: docker exec -it {lab.container(node.name)} journalctl -b")


def identity(host_key: KeyPair, operator_key: str) -> bytes:
    """A tar of the files that make a copy of the image one particular host."""
    buffer = io.BytesIO()
    files = (
        ("etc/ssh/ssh_host_ed25519_key", host_key.private, 0o600, "root"),
        ("etc/ssh/ssh_host_ed25519_key.pub", host_key.public, 0o644, "root"),
        ("home/operator/.ssh/authorized_keys", operator_key, 0o600, "operator"),
    )
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text, mode, owner in files:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.mtime = len(text.encode()), mode, int(time.time())
            entry.uid, entry.gid = _OWNERS[owner]
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()
