"""What `provision mirror` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cluster import lock
from provisioner.cluster.names import counted
from provisioner.errors import InventoryError, StepFailed, UsageError
from provisioner.mirror import check as checking
from provisioner.mirror.artefacts import needed
from provisioner.mirror.files import readable
from provisioner.mirror.folder import Folder
from provisioner.mirror.pull import pull as fill
from provisioner.verbs.shared.confirm import confirm

if TYPE_CHECKING:
    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.verbs.mirror import Check, Prune, Pull

_INVENTORY = """\
For the inventory, beside a copy of {catalogue}:
    cluster_mirror: http://SERVER
    cluster_registry: SERVER:5000
    cluster_catalogue: catalogue.json"""


def pull(context: Context, console: Console, options: Pull) -> int:
    """Fill the mirror, and say what the inventory has to name."""
    path = lock.beside(context.path)
    if (locked := lock.read(path)) is None:
        raise InventoryError("there is no lock, which says what to pull", where=str(path), hint="make it: provision lock")
    folder = Folder(Path(options.dir))
    ways = {each.image: each for each in needed(context).images}
    pulled = fill(folder, locked, context.catalogue, context.cluster.variables, console.say, ways=ways)
    for fault in pulled.faults:
        console.warn(str(fault))
    if pulled.faults:
        console.warn(f"{counted(len(pulled.faults), 'artefact')} did not come; what was served before still is. "
                     "The same command goes on where this one ended.")
        return StepFailed.exit_code
    news = f"{counted(pulled.came, 'artefact')} came" if pulled.came else "nothing to do"
    console.say(f"{folder.root}: {news}\n{_INVENTORY.format(catalogue=folder.www / 'catalogue.json')}")
    return 0


def check(console: Console, options: Check) -> int:
    """Read the mirror again."""
    folder = Folder(Path(options.dir))
    locked = checking.of(folder)
    faults = list(checking.check(folder, locked))
    for fault in faults:
        console.warn(fault)
    if faults:
        return StepFailed.exit_code
    console.say(f"{folder.root}: {counted(len(locked.artefacts), 'artefact')}, all as locked")
    return 0


def prune(console: Console, options: Prune) -> int:
    """Remove what is no longer needed, after a word."""
    folder = Folder(Path(options.dir))
    locked = checking.of(folder)
    with folder.ours():
        spare = checking.spare(folder, locked)
        for path, size in spare:
            console.say(f"{path.relative_to(folder.root)}  {readable(size)}")
        if not spare:
            console.say(f"{folder.root}: nothing to remove")
            return 0
        if not options.yes and not sys.stdin.isatty():
            raise UsageError("nobody can be asked whether to remove this", where=str(folder.root), hint="add --yes")
        confirm(f"Remove {counted(len(spare), 'file')}, {readable(sum(size for _, size in spare))}?", yes=options.yes)
        for path, _ in spare:
            path.unlink()
            _empty(path.parent, folder.root)
    console.say(f"removed: {counted(len(spare), 'file')}")
    return 0


def _empty(path: Path, root: Path) -> None:
    """Removes folders in which nothing is left: a registry takes the name of one for a tag."""
    while path.is_relative_to(root) and path.parent.parent != root and path.parent != root and not any(path.iterdir()):
        path.rmdir()
        path = path.parent
