"""What catalogue entries demand of others: a Docker in a range, a Java of certain releases, a processor.

Looked at in the versions that are locked. Control groups depend on how a host booted, so preflight looks at them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from provisioner.cluster.catalogue import Entry
from provisioner.cluster.facts import ARCHITECTURES
from provisioner.cluster.lock import ARCHIVE, PACKAGE, Lock
from provisioner.cluster.version_range import fits
from provisioner.components import COMPONENTS
from provisioner.context import Context

_JAVA = re.compile(r"(?:openjdk-(\d+)-jre|java-(\d+)-openjdk)")
#: By what names there are packages of the engine.
_ENGINES = ("docker-ce", "docker.io")


def violated(lock: Lock, context: Context) -> list[str]:
    """Sentences about locked versions that can't work with each other."""
    roles = dict.fromkeys(c.role for c in COMPONENTS if context.cluster.members(c.name))
    entries = [entry for role in roles if (entry := context.catalogue.wanted(role, context.cluster.variables))]
    return [sentence for entry in entries for sentence in (*_docker(lock, entry), *_java(lock, entry))]


def foreign(lock: Lock) -> list[str]:
    """Sentences about archives that say in their name that they are for another processor than some of the systems have."""
    known = ARCHITECTURES.values()
    archives, found = [artefact for artefact in lock.artefacts if artefact.kind == ARCHIVE], []
    for system in lock.systems:
        strange = [a for a in archives if {each for each in known if each in a.name} - {system.architecture}]
        served = {a.component for a in archives if a not in strange}  # there may be one for each processor
        found += [f"{a.component} {a.version}: {a.name} is not for {system.name}: name another in a catalogue of yours"
                  for a in strange if a.component not in served]
    return found


def _docker(lock: Lock, entry: Entry) -> Iterator[str]:
    need = str(entry.get("docker") or "")
    engines = [a for a in lock.artefacts if a.kind == PACKAGE and a.name in _ENGINES]
    for engine in engines if need else ():
        if not fits(engine.version, need):
            yield (f"{entry.component} {entry.version} needs Docker {need}, locked is {engine.name} {engine.version} ({engine.system}): "
                   "choose versions that fit with cluster_versions")


def _java(lock: Lock, entry: Entry) -> Iterator[str]:
    releases = [int(each) for each in entry.get("java") or ()]
    for artefact in lock.artefacts if releases else ():
        found = _JAVA.match(artefact.name) if artefact.kind == PACKAGE and artefact.component == entry.component else None
        if found and int(found[1] or found[2]) not in releases:
            yield (f"{entry.component} {entry.version} needs Java {' or '.join(map(str, releases))}, locked is {artefact.name} "
                   f"({artefact.system}): choose another with cluster_versions")
