"""`provision mirror pull --make`: what nobody serves is made on this machine, and locked with all that it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.errors import ProvisionError, StepFailed
from provisioner.mirror import added, debs, recipes
from provisioner.mirror.artefacts import needed
from provisioner.mirror.lock import MADE, Lock, System
from provisioner.mirror.locking import make as lock_again
from provisioner.mirror.systems import systems
from provisioner.state.files import rewrite

if TYPE_CHECKING:
    from provisioner.cluster.catalogue import Entry
    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.mirror.folder import Folder


def made(context: Context, console: Console, path: Path, locked: Lock, folder: Folder, names: Sequence[str],
         origins: Sequence[str]) -> tuple[Lock, list[str]]:
    """Makes what is named and not there; gives the lock that has it, and sentences about what could be made and was not named.

    Raises UsageError for a name that can't be made, and what recipes raise.
    """
    nowhere = needed(context).nowhere
    entries = recipes.makeable(context, nowhere)
    recipes.refuse_unmakeable(context, names, entries)
    due = list(recipes.unmade(entries, locked))
    waiting = [sentence for sentence in nowhere for component in {entry.component for entry, _ in due}.difference(names)
               if sentence.startswith(f"{component} ")]
    lost = {(line.component, line.system) for line in locked.artefacts
            if line.origin == MADE and line.component in names and not folder.file(line, locked).is_file()}
    due += [(entry, system) for entry in entries.values() for system in locked.systems if (entry.component, system.name) in lost]
    before = locked
    for entry, system in due:
        if entry.component in names:
            locked = _one(console, entry, system, locked, folder)
    if locked != before:
        result = lock_again(context, systems(context, [system.name for system in locked.systems]), locked, origins=origins, say=console.say)
        if lacking := [each for each in result.missing if each.partition(" on ")[0] in names]:
            raise StepFailed("what was made can't be locked:\n" + "\n".join(lacking),
                             hint="name a source that has what it depends on: --from 'deb [signed-by=KEYRING] URI SUITE main'")
        for sentence in (*result.missing, *result.unasked):
            console.warn(sentence)
        locked = result.lock
        rewrite(path, str(locked).encode(), new=0o644)
        console.say(f"{path}: what was made is in it, with all that it depends on")
    return locked, waiting


def _one(console: Console, entry: Entry, system: System, locked: Lock, folder: Folder) -> Lock:
    file = recipes.recipe(entry.component)(system, console.say)
    [line] = added.package(debs.described(file), entry.component, [system], MADE)
    if (line.name, line.version) != (entry.get("package"), entry.version):
        raise ProvisionError(f"the recipe for {entry.component} made {line.name} {line.version}, the catalogue says "
                             f"{entry.get('package')} {entry.version}", where=str(file),
                             hint="install provisioner and provisioner-lab in the same version")
    locked = added.recorded(locked, [], [line])
    with folder.ours():
        added.place(file, [line], folder, locked)
    console.warn(f"{line.name} {line.version} ({system.name}) was made here, {entry.get('made')}")
    return locked
