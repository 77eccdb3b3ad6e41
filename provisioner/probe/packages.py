"""Whether packages can be installed now: who holds a lock, and whether an earlier installation was cut off."""

import fcntl
import struct
import subprocess
from pathlib import Path
from typing import Any

#: Files that apt, dpkg and rpm lock with fcntl while they work.
LOCKED_FILES = (
    "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock",
    "/var/lib/rpm/.rpm.lock", "/usr/lib/sysimage/rpm/.rpm.lock",
)
#: Files in which dnf and yum write the process that works.
PID_FILES = (
    "/var/run/yum.pid", "/var/lib/dnf/rpmdb_lock.pid",
    "/var/cache/dnf/metadata_lock.pid", "/var/cache/dnf/download_lock.pid",
)
#: struct flock of 64-bit Linux: type, whence, start, length, process.
FLOCK = "hhqqi"
DPKG_UPDATES = "/var/lib/dpkg/updates"
AUDIT_SECONDS = 20.0


def packages() -> "dict[str, Any]":
    """`locks`: who works with packages now (path, pid, command). `interrupted`: what dpkg left half done, or ''."""
    return {"locks": locks(), "interrupted": interrupted()}


def locks() -> "list[dict[str, Any]]":
    """The held locks, one entry per process."""
    held = [(path, _holder(Path(path))) for path in LOCKED_FILES] + [(path, _named(Path(path))) for path in PID_FILES]
    by_process = {pid: path for path, pid in held if pid}
    return [{"path": path, "pid": pid, "command": _command(pid)} for pid, path in sorted(by_process.items())]


def interrupted() -> str:
    """What `dpkg --configure -a` would have to mend, in one line."""
    updates = Path(DPKG_UPDATES)
    if not updates.is_dir():
        return ""
    if any(path.name.isdigit() for path in updates.iterdir()):
        return "it was cut off before it had written down its state"
    done = subprocess.run(["dpkg", "--audit"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=AUDIT_SECONDS)
    return " ".join(done.stdout.decode("utf-8", "replace").split())[:500]


def _holder(path: Path) -> int:
    """The process that holds a lock on a file, -1 when it can't be seen from here; asking does not take the lock."""
    try:
        with path.open("rb") as stream:
            answer = fcntl.fcntl(stream, fcntl.F_GETLK, struct.pack(FLOCK + "0q", fcntl.F_WRLCK, 0, 0, 0, 0))
    except FileNotFoundError:
        return 0
    kind, _, _, _, pid = struct.unpack(FLOCK, answer[: struct.calcsize(FLOCK)])
    return 0 if kind == fcntl.F_UNLCK else int(pid) or -1


def _named(path: Path) -> int:
    """The living process that a pid file names."""
    try:
        pid = int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 0  # no file, or one of a program that ended while writing it
    return pid if Path(f"/proc/{pid}").is_dir() else 0


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").split()
    except OSError:
        return ""
    return " ".join(words)[:200]
