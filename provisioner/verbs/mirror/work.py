"""What `provision mirror` does."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.cluster.names import counted
from provisioner.errors import InventoryError, StepFailed, UsageError
from provisioner.inventory.site import host
from provisioner.mirror import check as checking
from provisioner.mirror import lock
from provisioner.mirror.artefacts import needed
from provisioner.mirror.files import readable
from provisioner.mirror.folder import Folder
from provisioner.mirror.pull import pull as fill
from provisioner.verbs.mirror.made import made
from provisioner.verbs.shared.confirm import confirm

if TYPE_CHECKING:
    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.verbs.mirror import Check, Prune, Pull, Serve

_INVENTORY = """\
For the inventory, beside a copy of {catalogue}:
    cluster_mirror: {scheme}://{server}{port}
    cluster_registry: {server}:{registry_port}
    cluster_catalogue: catalogue.json"""
#: Where files are served unless it is said.
_PORT = 8080


def pull(context: Context, console: Console, options: Pull) -> int:
    """Fill the mirror, and say what the inventory has to name."""
    path = lock.beside(context.path)
    if (locked := lock.read(path)) is None:
        raise InventoryError("there is no lock, which says what to pull", where=str(path), hint="make it: provision lock")
    serving, context = host(context.cluster), context.from_elsewhere
    folder = Folder(Path(options.dir))
    locked, waiting = made(context, console, path, locked, folder, options.make, options.origin)
    ways = {each.image: each for each in needed(context).images}
    pulled = fill(folder, locked, context.catalogue, context.cluster.variables, console.say, ways=ways)
    for fault in pulled.faults:
        console.warn(str(fault))
    for sentence in waiting:
        console.warn(sentence)
    if pulled.faults:
        console.warn(f"{counted(len(pulled.faults), 'artefact')} did not come; what was served before still is. "
                     "The same command goes on where this one ended.")
        return StepFailed.exit_code
    if waiting:
        console.warn(f"{folder.root}: all that is locked is there, and what has to be made is not: the same command with --make")
        return StepFailed.exit_code
    news = f"{counted(pulled.came, 'artefact')} came" if pulled.came else "nothing to do"
    use = (f"'provision up' sends it to {serving.name}" if serving
           else f"{_lines(folder)}\nServe it to the hosts: provision mirror serve {folder.root}")
    console.say(f"{folder.root}: {news}\n{use}")
    return 0


def serve(console: Console, options: Serve) -> int:
    """Serve the mirror until SIGINT or SIGTERM."""
    from provisioner.mirror import serve as serving

    address, port = serving.address(options.listen, _PORT)
    if bool(options.certificate) != bool(options.key):
        raise UsageError("HTTPS takes both a certificate and its key", hint="name both: --certificate FILE --key FILE")
    if options.registry_port == port or not 0 < options.registry_port < 65536:
        raise UsageError(f"--registry-port {options.registry_port}: not a port that is free for it", hint="such as 5000")
    folder = Folder(Path(options.dir))
    tls = Path(options.certificate) if options.certificate else None
    where = serving.Listening(address, port, options.registry_port, tls, Path(options.key) if options.key else None)
    lines = _lines(folder, address or socket.getfqdn(), port, options.registry_port, "https" if tls else "http")
    serving.serve(folder, where, lambda: console.say(f"{folder.root}: served until Ctrl-C\n{lines}"), console.say)
    return 0


def _lines(folder: Folder, server: str = "SERVER", port: int = _PORT, registry_port: int = 5000, scheme: str = "http") -> str:
    """What an inventory says to take all from this mirror."""
    usual = {"http": 80, "https": 443}[scheme]
    return _INVENTORY.format(catalogue=folder.www / "catalogue.json", scheme=scheme, server=f"[{server}]" if ":" in server else server,
                             port="" if port == usual else f":{port}", registry_port=registry_port)


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
