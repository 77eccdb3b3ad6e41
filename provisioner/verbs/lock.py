"""`provision lock`: exact versions and digests of all that a cluster is made of, into `provision.lock` beside the inventory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from provisioner.console import Console
    from provisioner.context import Context
    from provisioner.mirror.locking import Made, Upgrade

#: What `--upgrade` without a component means.
EVERYTHING = "*"
CODES = {5: "something is missing or does not fit (with --check: any more)"}
EPILOG = """\
Examples:
  provision lock                               # write provision.lock; what it has already stays where it fits
  provision lock --system debian12/amd64       # for hosts that do not answer yet
  provision lock --upgrade docker              # let what Docker needs move
  provision lock --check                       # does it still fit? exit 5 if not"""


@dataclass(frozen=True)
class Options:
    """The options of `lock`. `upgrade` is None, a component, or EVERYTHING."""

    system: tuple[str, ...] = ()
    origin: tuple[str, ...] = ()
    upgrade: str | None = None
    allow_missing: bool = False
    check: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Systems, where packages come from, and what may move."""
    parser.add_argument("--system", action="append", default=[], metavar="SYSTEM",
                        help="lock for this system, such as debian12/amd64, instead of those of the hosts (repeatable)")
    parser.add_argument("--from", dest="origin", action="append", default=[], metavar="LINE",
                        help="take the distribution's packages from this source: 'deb URL SUITE COMPONENT' as apt writes it, or for dnf "
                             "'rpm [key=URL fingerprint=HEX] URL' (repeatable)")
    parser.add_argument("--upgrade", nargs="?", const=EVERYTHING, metavar="COMPONENT",
                        help="let what is locked move to the newest that fits: all, or what one component needs")
    parser.add_argument("--allow-missing", action="store_true", help="write the lock although something is missing in it")
    parser.add_argument("--check", action="store_true", help="only compare with the lock that is there; exit 5 if it no longer fits")


def run(context: Context, console: Console, options: Options) -> int:
    """Ask the sources, write the lock and say what moved. Nothing is written unless all is there."""
    from provisioner.cluster import lock
    from provisioner.errors import StepFailed
    from provisioner.mirror.locking import make
    from provisioner.mirror.moved import moved
    from provisioner.mirror.systems import systems
    from provisioner.state.files import rewrite

    context = context.from_elsewhere
    path = lock.beside(context.path)
    before = lock.read(path)
    if options.check:
        return _check(context, console, options)
    of_hosts = systems(context, options.system or [each.name for each in before.systems] if before else options.system)
    made = make(context, of_hosts, before, _upgrade(options), origins=options.origin, say=console.say)
    _tell(context, console, made)
    if made.missing and not options.allow_missing:
        return _incomplete(console, "nothing was written")
    if made.unasked and options.upgrade is not None:
        console.warn("nothing was written: what is to move has to be asked; the same command later, or without --upgrade")
        return StepFailed.exit_code
    changes = moved(before or lock.Lock(), made.lock)
    if before is None or str(before) != str(made.lock):
        rewrite(path, str(made.lock).encode(), new=0o644)  # nothing in it is secret, and colleagues read it
    for line in changes if before else ():
        console.say(line)
    console.say(f"{path}: {_counted(made)}" + ("" if changes else "; nothing moved"))
    return 0


def _check(context: Context, console: Console, options: Options) -> int:
    """Whether what would be locked now is what is locked."""
    from provisioner.cluster import lock
    from provisioner.errors import InventoryError, StepFailed
    from provisioner.mirror.locking import make
    from provisioner.mirror.moved import moved
    from provisioner.mirror.systems import systems

    path = lock.beside(context.path)
    before = lock.read(path)
    if before is None:
        raise InventoryError("there is no lock", where=str(path), hint=lock.HINT)
    of_hosts = systems(context, options.system or [each.name for each in before.systems])
    made = make(context, of_hosts, before, origins=options.origin, say=console.say)
    _tell(context, console, made)
    changes = moved(before, made.lock)
    for line in changes:
        console.warn(line)
    if changes or made.missing:
        console.warn("the lock no longer fits: provision lock")
        return StepFailed.exit_code
    console.say(f"{path}: it fits" + (", as far as could be checked" if made.unasked else ""))
    return 0


def _upgrade(options: Options) -> Upgrade:
    """Raises UsageError for a component that does not exist."""
    from provisioner.components import COMPONENTS
    from provisioner.errors import UsageError
    from provisioner.mirror.locking import Upgrade

    if options.upgrade in (None, EVERYTHING):
        return Upgrade(everything=options.upgrade == EVERYTHING)
    roles = {name: c.role for c in COMPONENTS for name in (c.name, c.role)}
    if options.upgrade not in roles:
        raise UsageError(f"--upgrade {options.upgrade}: no such component", hint=f"one of {', '.join(sorted(roles))}")
    return Upgrade(component=roles[str(options.upgrade)])


def _tell(context: Context, console: Console, made: Made) -> None:
    from provisioner.cluster.lock import MADE, VENDOR

    for sentence in made.missing:
        console.warn(sentence)
    for sentence in made.unmade:
        console.warn(f"not in the lock yet: {sentence}")
    for each in made.lock.artefacts:
        if each.origin != VENDOR:
            entry = context.catalogue.wanted(each.component, context.cluster.variables) if each.origin == MADE else None
            console.warn(f"{each.name} {each.version}{f' ({each.system})' if each.system else ''}: {each.origin}"
                         + (f", {entry.get('made')}" if entry and entry.get("made") else ""))
    for sentence in made.unasked:
        console.warn(f"not asked, so what is locked stays: {sentence}")


def _incomplete(console: Console, outcome: str) -> int:
    from provisioner.errors import StepFailed

    console.warn(f"{outcome}: see above what is missing, or lock without it with --allow-missing")
    return StepFailed.exit_code


def _counted(made: Made) -> str:
    """`212 packages, 2 archives, 4 images, 2 keys`."""
    from provisioner.cluster.lock import KINDS
    from provisioner.cluster.names import counted

    kinds = [artefact.kind for artefact in made.lock.artefacts]
    return ", ".join(counted(kinds.count(kind), kind) for kind in KINDS)
