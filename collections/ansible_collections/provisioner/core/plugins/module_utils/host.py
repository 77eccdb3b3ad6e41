"""What a module can see of its host: programs, units, ports, files."""

from __future__ import annotations

import errno
import grp
import json
import os
import pwd
import socket
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

UNITS = "/etc/systemd/system"


class Listener(NamedTuple):
    """Where a program wants to listen."""

    address: str
    port: int
    kind: socket.SocketKind = socket.SOCK_STREAM


def printed(*command: str) -> str:
    """What a query printed; a program that is not installed has nothing to say."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, env=dict(os.environ, LC_ALL="C"))
    except FileNotFoundError:
        return ""
    return done.stdout.decode(errors="replace").strip()


def works(*command: str) -> bool:
    """Whether a query ends well; a program that is not installed does not."""
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except FileNotFoundError:
        return False


def running(*units: str) -> list[str]:
    """Those of the units that run."""
    answers = printed("systemctl", "is-active", *units).splitlines()  # one line for each, in order
    return [unit for unit, answer in zip(units, answers) if answer == "active"]


def service(unit: str, listeners: Iterable[Listener] = ()) -> dict[str, Any]:
    """The state of a unit of ours.

    `unit`: whether its file is there; `running`: whether it runs; `absent`: addresses of the listeners that this host does not have;
    `taken`: listeners that another program holds.
    """
    found = bool(running(unit))
    absent, taken = refused(listeners)
    return {"unit": Path(UNITS, f"{unit}.service").exists(), "running": found, "absent": absent, "taken": [] if found else taken}


def refused(listeners: Iterable[Listener]) -> tuple[list[str], list[dict[str, Any]]]:
    """Addresses that this host does not have, and {address, port} that some program holds. One without an address is passed over."""
    wanted = [listener for listener in listeners if listener.address]
    errors = [(listener, bind_error(*listener)) for listener in wanted]
    absent = dict.fromkeys(listener.address for listener, error in errors if error == errno.EADDRNOTAVAIL)
    taken = [{"address": listener.address, "port": listener.port} for listener, error in errors if error == errno.EADDRINUSE]
    return list(absent), [each for at, each in enumerate(taken) if each not in taken[:at]]


def bind_error(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """The number of the error when something binds there, 0 for none."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as probe:
        # What lingers of a program that has ended is no obstacle; with UDP the option would share the port with one that runs.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno or errno.EINVAL
    return 0


def text_of(path: str | Path) -> str:
    """The text of a file, "" if there is none."""
    file = Path(path)
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""


def guarded(path: Path, mode: int, owner: str = "root", group: str = "", *, folder: bool = False) -> bool:
    """Whether a file (or folder) has this mode and belongs to this user and group; a group that is not named has the user's name."""
    try:
        found, uid, gid = path.stat(), pwd.getpwnam(owner).pw_uid, grp.getgrnam(group or owner).gr_gid
    except (OSError, KeyError):
        return False
    right = stat.S_ISDIR if folder else stat.S_ISREG
    return right(found.st_mode) and (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (uid, gid, mode)


def missing_above(*folders: str) -> list[str]:
    """The folders above these that are not there, the outermost first."""
    wanted = (parent for folder in folders for parent in reversed(Path(folder).parents))
    return list(dict.fromkeys(str(parent) for parent in wanted if not parent.exists()))


def left_behind(before: str, now: str, what: str = "*") -> list[dict[str, str]]:
    """What of a program's data is where it was told to keep it `before`, and nothing of it where it is told to `now`: {from, to}."""
    moved = bool(before) and Path(before) != Path(now) and any(Path(before).glob(what)) and not any(Path(now).glob(what))
    return [{"from": str(Path(before, what)), "to": str(Path(now, what).parent)}] if moved else []


def docker_settings() -> dict[str, Any]:
    """What the daemon is told; nothing where that can't be read."""
    try:
        found = json.loads(text_of("/etc/docker/daemon.json") or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def docker_data() -> str:
    """The folder in which Docker keeps all it has, as the daemon is told."""
    return str(docker_settings().get("data-root") or "/var/lib/docker")


def has_user(name: str) -> bool:
    """Whether the host knows a user of that name."""
    try:
        return bool(pwd.getpwnam(name))
    except KeyError:
        return False


def container() -> str:
    """Name of the container technology, "" on a machine."""
    found = printed("systemd-detect-virt", "--container")
    return "" if found == "none" else found


def setting(key: str) -> Path:
    """The file of a kernel setting."""
    return Path("/proc/sys", *key.split("."))
