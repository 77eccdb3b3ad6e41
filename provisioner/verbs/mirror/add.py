"""`provision mirror add`: files that nobody serves any more, and the user has."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cluster import lock
from provisioner.cluster.lock import Lock, Locked
from provisioner.errors import ProvisionError, StepFailed, UsageError
from provisioner.mirror import added, added_images, pull_images
from provisioner.mirror.artefacts import Needed, needed
from provisioner.mirror.folder import Folder
from provisioner.mirror.storage import Storage
from provisioner.mirror.systems import systems
from provisioner.state.files import rewrite

if TYPE_CHECKING:
    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.verbs.mirror import Add


def add(context: Context, console: Console, options: Add) -> int:
    """Take each file that fits; say of every other why it does not."""
    path, folder = lock.beside(context.path), Folder(Path(options.dir))
    locked = before = lock.read(path) or Lock()
    if not locked.systems:
        locked = Lock(tuple(systems(context, options.system)), locked.artefacts)
    wanted = needed(context, release=next((f"{each.distribution}{each.release}" for each in locked.systems), "debian12"))
    processors = dict.fromkeys(each.architecture for each in locked.systems)
    wanted = replace(wanted, archives=tuple(dict.fromkeys(each.on(processor) for processor in processors for each in wanted.archives)))
    refused = 0
    with folder.ours():
        for file in map(Path, options.files):
            try:
                locked = _one(console, file, wanted, locked, folder)
            except OSError as error:
                console.warn(f"{file}: it can't be read: {error.strerror}")
                refused += 1
                continue
            except ProvisionError as error:
                console.warn(str(error) if error.where else f"{file}: {error}")
                refused += 1
                continue
            if str(locked) != str(before):
                rewrite(path, str(locked).encode(), new=0o644)
    if str(locked) != str(before) and refused < len(options.files):
        console.say(f"{path}: what was added is in it. Next: provision lock, and provision mirror pull {folder.root}")
    return StepFailed.exit_code if refused else 0


def _one(console: Console, file: Path, wanted: Needed, locked: Lock, folder: Folder) -> Lock:
    """The lock with a file that is in the mirror now. Raises ProvisionError where it is not taken."""
    if not file.is_file():
        raise UsageError("there is no such file", where=str(file), hint="name a package, a saved image or an archive")
    named = {url.rpartition("/")[2] for each in wanted.archives for url in each.urls}
    if file.name not in named and added_images.holds_images(file):
        return _images(console, file, wanted, locked, folder)
    found = added.looked_at(file, wanted, locked, locked.systems)
    if found.doubt:
        console.warn(found.doubt)
    after = locked if set(found.lines) <= set(locked.artefacts) else added.recorded(locked, (), found.lines)
    added.place(file, found.lines, folder, after)
    _say(console, found.lines)
    return after


def _images(console: Console, file: Path, wanted: Needed, locked: Lock, folder: Folder) -> Lock:
    scratch = folder.arriving / "added"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        folder.refuse_full(2 * file.stat().st_size)
        found = added_images.images(file, wanted.images, pull_images.architectures(locked), scratch)
        for each in found:
            if not any((old.key, old.name, old.digest) == (each.line.key, each.line.name, each.line.digest) for old in locked.artefacts):
                locked = added.recorded(locked, (), [each.line])
            each.keep(Storage(folder.registry))
        _say(console, [each.line for each in found])
    except OSError as error:
        raise UsageError(f"the image can't be taken into the mirror: {error.strerror}", where=str(folder.root),
                         hint="make room, or make the mirror's folder writable") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return locked


def _say(console: Console, lines: list[Locked] | tuple[Locked, ...]) -> None:
    for line in lines:
        console.say(f"{line.kind} {line.name} {line.version}{f' ({line.system})' if line.system else ''}: {line.digest}")
