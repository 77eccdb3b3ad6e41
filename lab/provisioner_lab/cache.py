"""The folder where slow things are kept between labs, the lock around making them, and names that carry a hash of their inputs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from provisioner.mirror.programs import Say

_UNUSED_SECONDS = 24 * 3600.0


def cache_dir() -> Path:
    """/var/cache/provisioner-lab for root, the user's own cache folder otherwise."""
    root = Path("/var/cache") if os.geteuid() == 0 else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "provisioner-lab"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def exclusively(say: Say) -> Iterator[None]:
    """One lab at a time builds images and chooses networks on this machine."""
    with (cache_dir() / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another lab is being built on this machine: waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def digest(*parts: str | bytes) -> str:
    """Twelve hex digits that change when any part changes."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


def tree_digest(folder: Path) -> str:
    """The same for a folder: names, permission to execute, link targets and contents of everything in it."""
    parts: list[str | bytes] = []
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        parts.append(str(path.relative_to(folder)))
        if path.is_symlink():
            parts.append(str(path.readlink()))
        elif path.is_file():
            parts += [str(path.stat().st_mode & 0o111), path.read_bytes()]
    return digest(*parts)


def made(folder: Path) -> bool:
    """Is it there? Then it counts as used now."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(folder)
        return True
    return False


def forget_older(folder: Path) -> None:
    """Removes what was made before under the same name and not used for a day: another checkout may still want it.

    The hash of the inputs is the part behind the last dash.
    """
    for older in folder.parent.glob(f"{folder.name.rpartition('-')[0]}-*"):
        if older != folder and older.stat().st_mtime < time.time() - _UNUSED_SECONDS:
            shutil.rmtree(older)
