"""Files that are never half written, and that only their owner may read unless somebody chose otherwise."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from pathlib import Path

from provisioner.errors import UsageError

SIZE_MAX = 1024 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_dir(path: Path) -> Path:
    """Make a directory 0700, and those above it that are missing, whatever the umask is. Raises UsageError."""
    missing = [p for p in (path, *path.parents) if not p.exists()]
    try:
        for directory in reversed(missing):
            directory.mkdir(mode=0o700, exist_ok=True)
        if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
            path.chmod(0o700)
        if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
            hint = "make the directory writable for you: the state of the cluster is kept in it"
            raise UsageError("files can't be written here", where=str(path), hint=hint)
    except OSError as error:
        hint = "the directory of the inventory must be writable: state is kept beside it"
        raise UsageError(f"can't make the directory: {error.strerror}", where=str(path), hint=hint) from error
    return path


def refuse_unwritable(path: Path) -> None:
    """UsageError where a file can't be written or replaced: to be asked before the work whose result it is to hold."""
    folder = path.parent
    if not folder.is_dir():
        raise UsageError("there is no such directory", where=str(folder), hint="make it, or name another file")
    if path.is_dir():
        raise UsageError("this is a directory, not a file", where=str(path), hint="name a file inside it")
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        raise UsageError("files can't be written here", where=str(folder), hint="make the directory writable for you")


def write_private(path: Path, data: bytes, *, replace: bool = True) -> bool:
    """Write a file that is whole or not there, 0600, synced to disk. Its directory must exist.

    With `replace` False a file that is already there stays, and the answer is False. Raises UsageError.
    """
    return _write(path, data, 0o600, replace=replace)


def rewrite(path: Path, data: bytes, *, new: int = 0o600) -> None:
    """Replace a file by one that is whole, with the mode that it has, or as a `new` one. A link stays one. Raises UsageError."""
    path = path.resolve()
    _write(path, data, stat.S_IMODE(path.stat().st_mode) if path.exists() else new)


def _write(path: Path, data: bytes, mode: int, *, replace: bool = True) -> bool:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        if replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)
        _sync_dir(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        hint = "make room, or make the directory writable; what was there before is untouched"
        raise UsageError(f"can't write the file: {error.strerror}", where=str(path), hint=hint) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return True


def read_private(path: Path) -> bytes:
    """The content of a file that nobody else can read. Raises UsageError with the chmod to do; FileNotFoundError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise UsageError("this is not a regular file", where=str(path))
            if stat.S_IMODE(mode) & (_OTHERS | stat.S_IXUSR):
                raise UsageError(
                    f"secrets are kept in it, but its mode is {stat.S_IMODE(mode):04o}",
                    where=str(path),
                    hint=f"chmod 600 '{path}'; if others may have read it, change the secrets too",
                )
            return file.read(SIZE_MAX)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UsageError(f"can't read the file: {error.strerror}", where=str(path)) from error


def _sync_dir(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
