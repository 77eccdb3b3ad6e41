"""The operating systems of a cluster's hosts: named on the command line, else as the hosts told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.cluster.facts import ARCHITECTURES, system_name
from provisioner.cluster.lock import System
from provisioner.cluster.model import Host
from provisioner.context import Context
from provisioner.errors import UsageError
from provisioner.observe.observation import PATIENCE_SECONDS, observe
from provisioner.observe.preflight.system import SYSTEMS
from provisioner.state import fact_cache

#: What package sources call the releases of Debian's family; others have no such names.
CODENAMES = {"debian11": "bullseye", "debian12": "bookworm", "debian13": "trixie", "ubuntu22.04": "jammy", "ubuntu24.04": "noble"}
#: What the kernel and RPMs call an architecture.
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def named(word: str) -> System:
    """`debian12/amd64`, or `debian12`, which is on amd64. Raises UsageError that lists the known ones."""
    release, slash, architecture = word.partition("/")
    architecture = ARCHITECTURES.get(architecture, architecture) if slash else "amd64"
    for distribution, releases in SYSTEMS.items():
        number = release.removeprefix(distribution)
        if release.startswith(distribution) and number in releases and architecture in ARCHITECTURES.values():
            return System(distribution, number, CODENAMES.get(release, ""), architecture)
    known = ", ".join(f"{name}{number}" for name, numbers in SYSTEMS.items() for number in numbers)
    raise UsageError(f"--system {word}: no such system", hint=f"one of {known}, each with /{' or /'.join(ARCHITECTURES.values())}")


def of_facts(facts: Mapping[str, Any]) -> System:
    """That of a host by its facts in Ansible's words. Raises UsageError for one that roles are not written for."""
    return named(system_name(facts))


def systems(context: Context, words: Sequence[str] = ()) -> dict[System, tuple[Host, ...]]:
    """The systems and their hosts; every host may be of any of those that are named. Hosts that told nothing so far are asked.

    Raises UsageError where a host is not known and does not answer.
    """
    hosts = context.cluster.hosts
    if words:
        return dict.fromkeys(sorted(named(word) for word in words), hosts)
    facts = fact_cache.read(context.cluster)
    if unknown := tuple(h.name for h in hosts if h.name not in facts):
        seen = observe(context.cluster, context.rendered, context.transport, hosts=unknown, sections=("facts",), patience=PATIENCE_SECONDS)
        facts |= seen.facts()
        if silent := sorted(seen.silent()):
            raise UsageError(f"the system of {', '.join(silent)} is not known, as they do not answer",
                             hint="name the systems of the hosts: --system debian12/amd64")
    found: dict[System, list[Host]] = {}
    for host in hosts:
        found.setdefault(of_facts(facts[host.name]), []).append(host)
    return {system: tuple(found[system]) for system in sorted(found)}
