"""`provision backup` and `provision restore`."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from provisioner.cluster.model import Host
from provisioner.cluster.names import no_answer
from provisioner.components import SCHEDULERS, UPGRADE_ORDER
from provisioner.console import Console
from provisioner.context import Context
from provisioner.errors import StepFailed, UnreachableError, UsageError
from provisioner.inventory.by_ansible import files
from provisioner.observe.observation import observe
from provisioner.plan.steps import serves
from provisioner.run.backup_parts import Part, Sources
from provisioner.run.prepare import locked
from provisioner.run.settled import await_settled
from provisioner.state import ledger, secrets
from provisioner.state.files import private_dir, read_private, refuse_unwritable, write_private
from provisioner.verbs import backup, restore
from provisioner.verbs.backup import archive
from provisioner.verbs.backup.archive import Archive
from provisioner.verbs.shared.confirm import confirm_by_name

#: What makes a cluster the one it is, kept beside the inventory: the archive's name for each.
LEDGER, SECRETS, PASSWORD = "identity/ledger.yml", "identity/secrets.yml", "identity/vault_password"
INVENTORY = "identity/inventory"
#: The components that keep something for users, in the order in which it is put back: what others stand on first.
SAVED = tuple(c for c in UPGRADE_ORDER if c.saved_by)


def run_backup(context: Context, console: Console, options: backup.Options) -> Path:
    """Save everything while nobody changes the cluster; gives the file.

    `options`: out (default: below the cluster's state folder, named after the time). Raises StepFailed when a component that
    is to be saved does not work, UnreachableError, LockedError, UsageError.
    """
    if options.out:
        refuse_unwritable(Path(options.out))
    with locked(context, console, "backup", as_built=False):
        return save(context, console, Path(options.out) if options.out else None)


def save(context: Context, console: Console, path: Path | None = None) -> Path:
    """The same, on a cluster that is locked already."""
    now = datetime.datetime.now(datetime.UTC)
    path = path or private_dir(context.cluster.state_dir / "backups") / f"{now:%Y-%m-%dT%H-%M-%S}.tar.gz"
    saved, working = dict(_identity(context)), working_hosts(context)
    schedulers = [name for name in SCHEDULERS if working[name]]
    leaders = await_settled(context, schedulers)
    for part in parts_of(context, working):
        console.say(f"saving {part.file} …")
        saved[part.file] = part.save()
    if await_settled(context, schedulers) != leaders:
        raise StepFailed("nothing was written: a leader was elected meanwhile, so the lists may be incomplete", hint="run it again")
    archive.write(path, Archive(context.cluster.name, context.ledger.cluster_id, now.isoformat(timespec="seconds"), saved))
    console.say(f"wrote {path} ({path.stat().st_size} bytes). It holds the cluster's secrets: keep it safe.")
    return path


def run_restore(context: Context, console: Console, options: restore.Options) -> None:
    """Put what a backup holds into this cluster, which may be another one than it was made of.

    `options`: file, identity (only ledger and secrets, where there are none yet: before the cluster is built anew), yes. Raises
    UsageError for a damaged file or when the name was not typed, StepFailed when a component does not work, UnreachableError.
    """
    found = archive.read(Path(options.file))
    if options.identity:
        _restore_identity(context, console, found)
        return
    with locked(context, console, "restore", as_built=False):
        parts = [part for part in parts_of(context, working_hosts(context)) if part.file in found.parts]
        console.say(f"backup of cluster {found.cluster}, {found.made}: {', '.join(part.file for part in parts)}")
        confirm_by_name(options.yes, context.cluster.name, f"Whatever has the same name in {context.cluster.name} is replaced.")
        for part in parts:
            console.say(f"{part.file}: {part.put_back(found.parts[part.file])} restored")


def _identity(context: Context) -> Iterator[tuple[str, bytes]]:
    cluster = context.cluster
    for path in files(context.path):
        yield f"{INVENTORY}/{path.relative_to(context.path.parent)}", path.read_bytes()
    yield LEDGER, ledger.ledger_path(cluster).read_bytes()
    yield SECRETS, read_private(secrets.secrets_path(cluster))
    if secrets.ENVIRONMENT not in os.environ:  # one that the operator keeps elsewhere stays there
        yield PASSWORD, read_private(secrets.password_file(cluster))


def _restore_identity(context: Context, console: Console, found: Archive) -> None:
    """Ledger and secrets, beside an inventory that has none: a cluster that exists never gets another identity."""
    cluster = context.cluster
    targets = {LEDGER: ledger.ledger_path(cluster), SECRETS: secrets.secrets_path(cluster)}
    if PASSWORD in found.parts and secrets.ENVIRONMENT not in os.environ:
        targets[PASSWORD] = secrets.password_file(cluster)
    there = [str(path) for path in targets.values() if path.exists()]
    if there:
        raise UsageError(f"nothing was changed: this cluster has an identity already: {', '.join(there)}",
                         hint="to rebuild the old cluster on fresh hosts, move that folder away first")
    missing = [name for name in targets if name not in found.parts]
    if missing:
        raise UsageError(f"the backup has no {', '.join(missing)}", where=cluster.name)
    private_dir(cluster.state_dir)
    for name, path in targets.items():
        write_private(path, found.parts[name])
    ledger.take_over(cluster)
    console.say(f"restored the identity and secrets of {found.cluster} ({found.made}); next: 'provision up', "
                "then 'provision restore' again without --identity")


def working_hosts(context: Context) -> dict[str, list[Host]]:
    """The hosts on which each component of `SAVED` works. Raises StepFailed for one that works nowhere, though it
    should, UnreachableError where none of its hosts answers."""
    seen = observe(context.cluster, context.rendered, context.transport, sections=("health",), components=[c.name for c in SAVED])
    working: dict[str, list[Host]] = {}
    for component in SAVED:
        members = context.cluster.members(component.saved_by)
        working[component.name] = [h for h in members if serves(seen, h.name, component)]
        silent = [h.name for h in members if not seen.hosts[h.name].reachable]
        if members and len(silent) == len(members):
            raise UnreachableError(f"nothing was done: {no_answer(silent)}: {seen.hosts[silent[0]].error}",
                                   hint=f"bring them back: {component.title} is to be saved there")
        if members and not working[component.name]:
            raise StepFailed(f"nothing was done: {component.name} is down on all of its hosts", hint="'provision up' first")
    return working


def parts_of(context: Context, working: Mapping[str, Sequence[Host]]) -> list[Part]:
    """In the order in which they are put back."""
    sources = (Sources(context, component, working[component.name]) for component in SAVED if working[component.name])
    return [part.part(each) for each in sources if (part := each.component.part("backup"))]
