"""What nobody serves any more and this machine can make, for evaluation, by a recipe that another distribution brings.

A catalogue entry says so with `made`: what a reader has to know about it. The recipe is an entry point of the group `provisioner.recipes`
under the component's name: a function from a system and a `Say` to the package file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import cast

from provisioner.cluster.catalogue import Entry
from provisioner.context import Context
from provisioner.errors import ProvisionError, UsageError
from provisioner.extensions import entry_points, load
from provisioner.mirror.lock import PACKAGE, Lock, System
from provisioner.mirror.programs import Say
from provisioner.observe.preflight.sources import same_version

GROUP = "provisioner.recipes"
Recipe = Callable[[System, Say], Path]


def makeable(context: Context, nowhere: Collection[str]) -> dict[str, Entry]:
    """The entries that this machine can make, by component, of those that the inventory wants and nobody serves.

    `nowhere` are sentences that begin with the component (`artefacts.Needed`).
    """
    found = {}
    for component in dict.fromkeys(sentence.partition(" ")[0] for sentence in nowhere):
        entry = context.catalogue.wanted(component, context.cluster.variables)
        if entry and entry.kind == PACKAGE and entry.get("made"):
            found[component] = entry
    return found


def unmade(entries: dict[str, Entry], lock: Lock) -> Iterator[tuple[Entry, System]]:
    """Those that a lock does not have, with the systems for which it does not."""
    for entry in entries.values():
        for system in lock.systems:
            if not any((a.kind, a.name, a.system) == (PACKAGE, entry.get("package"), system.name) and same_version(a.version, entry.version)
                       for a in lock.artefacts):
                yield entry, system


def refuse_unmakeable(context: Context, names: Collection[str], entries: dict[str, Entry]) -> None:
    """Raises UsageError for a component that can't be made, or that the inventory wants in a version that can't."""
    for name in names:
        known = [each for each in context.catalogue.entries if each.component == name and each.get("made")]
        wanted = context.catalogue.wanted(name, context.cluster.variables)
        if name in entries or (wanted and wanted.get("made")):
            continue
        if not known:
            can = sorted({each.component for each in context.catalogue.entries if each.get("made")})
            raise UsageError(f"--make {name}: nothing is known of how to make it", hint=f"what can be made: {', '.join(can) or 'nothing'}")
        raise UsageError(f"--make {name}: the inventory wants {wanted.version if wanted else 'an unknown version'}, which can't be made",
                         hint=f"what can be, {known[0].get('made')}: cluster_versions: {{{name}: {known[0].version}}}, then provision lock")


def recipe(component: str) -> Recipe:
    """How a component's package is made. Raises UsageError where nothing here knows."""
    reference = entry_points(GROUP).get(component)
    if reference is None:
        raise UsageError(f"no recipe for {component} is installed here",
                         hint="install the distribution provisioner-lab in provisioner's version: its recipe makes the package")
    try:
        return cast(Recipe, load(reference))
    except (ImportError, AttributeError) as error:
        raise ProvisionError(f"the recipe for {component} can't be loaded: {error}", where=reference,
                             hint="install that package in provisioner's version, or uninstall it") from None
