"""What this machine allows its containers: capabilities, limits, networks, cgroups."""

from __future__ import annotations

import ipaddress
import json
import resource
from pathlib import Path

from provisioner.errors import ProvisionError
from provisioner.mirror.programs import attempt, failure, run

# linux/capability.h, in the order of the bit numbers
_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
    "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
    "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND",
    "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)

#: How many watchers of files (inotify instances) all containers of this machine may have together; 128 unless somebody raised it.
WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
#: So many a host has whose cluster is up: systemd, its journal, the engine, rsyslog …
WATCHERS_PER_HOST = 10


def missing_capabilities(status: str) -> tuple[str, ...]:
    """Names of the capabilities that are not in the bounding set of a `/proc/<pid>/status` text; a container can't have those."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            have = int(line.split()[1], 16)
            return tuple(name for bit, name in enumerate(_CAPABILITIES) if not have >> bit & 1)
    raise ProvisionError("the kernel does not say which capabilities there are", where="/proc/self/status",
                         hint="the lab needs Linux 2.6.25 or newer")


def capability_arguments(image: str) -> list[str]:
    """Arguments of `docker run`: all that this machine itself has. `--privileged` fails where one is missing.

    What "all" is depends on the engine: an old one does not know the newest capabilities, a new one leaves out by itself what
    this machine lacks, and both refuse to drop what is not part of it. So the engine is asked, with a container of `image` that
    never starts.
    """
    drop = missing_capabilities(Path("/proc/self/status").read_text())
    while True:
        arguments = ["--cap-add", "ALL", *(argument for name in drop for argument in ("--cap-drop", name))]
        done = attempt(["docker", "create", "--label", "provisioner.lab.question", *arguments, image, "true"])
        if done.returncode == 0:
            run(["docker", "rm", done.stdout.decode().strip()], what="asking the engine about capabilities")
            return arguments
        message = done.stderr.decode(errors="replace")
        kept = without_refused(drop, message)
        if kept == drop:
            raise failure("asking the engine about capabilities", done.returncode, message)
        drop = kept


def without_refused(drop: tuple[str, ...], message: str) -> tuple[str, ...]:
    """The capabilities to drop without those that the engine's message names."""
    return tuple(name for name in drop if f'"CAP_{name}"' not in message)


def limit_arguments() -> list[str]:
    """Arguments of `docker run`: open files as high as this machine allows, because a node can't raise the limit itself."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return [] if most == resource.RLIM_INFINITY else ["--ulimit", f"nofile={most}:{most}"]


def allow_watchers(hosts: int) -> None:
    """Raises the limit for a lab of so many hosts, with room for other labs; never lowers it.

    Raises ProvisionError where that is forbidden and the limit is too low: systemd would not start on the last hosts.
    """
    now, wanted = int(WATCHERS.read_text()), max(1024, 2 * WATCHERS_PER_HOST * hosts)
    if now >= wanted:
        return
    try:
        WATCHERS.write_text(f"{wanted}\n")
    except OSError as error:
        if now < WATCHERS_PER_HOST * hosts:
            raise ProvisionError(f"{hosts} hosts need more watchers of files than the {now} that this machine allows, and the limit "
                                 f"can't be raised: {error.strerror}", where=str(WATCHERS),
                                 hint=f"make a smaller lab, or on this machine: sysctl fs.inotify.max_user_instances={wanted}") from None


def networks_in_use() -> list[ipaddress.IPv4Network]:
    """Every network this machine has a route or a Docker network to."""
    found = parse_routes(run(["ip", "-json", "-4", "route", "show", "table", "all"], what="routes of this machine"))
    names = run(["docker", "network", "ls", "--quiet"], what="Docker networks").split()
    if names:
        found += parse_networks(run(["docker", "network", "inspect", *names], what="Docker networks"))
    return found


def parse_routes(text: str) -> list[ipaddress.IPv4Network]:
    """The destinations in the output of `ip -json route`, without the default route."""
    destinations = [str(row.get("dst", "default")) for row in json.loads(text or "[]")]
    return [ipaddress.IPv4Network(dst, strict=False) for dst in destinations if dst not in ("default", "0.0.0.0/0")]


def parse_networks(text: str) -> list[ipaddress.IPv4Network]:
    """The IPv4 subnets in the output of `docker network inspect`."""
    rows = [entry for network in json.loads(text) for entry in (network["IPAM"].get("Config") or [])]
    return [ipaddress.IPv4Network(row["Subnet"]) for row in rows if ":" not in row.get("Subnet", ":")]
