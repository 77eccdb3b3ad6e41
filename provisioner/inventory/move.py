"""Somebody else's inventory: which of its groups would be masters, agents or a component, and the lines that say so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.components import AGENT, COMPONENTS, QUORUMS, SERVER_GROUPS
from provisioner.inventory.described import ALL, UNGROUPED, Described
from provisioner.inventory.groups import HOST_WIDE, WRITABLE, own

#: Words in the names of groups and what such hosts are, in the words of Ansible roles for Mesos, DC/OS, Mantl, Kubernetes and Nomad.
_ROLES: Mapping[str, frozenset[str]] = {
    "masters": frozenset({"master", "masters", "control", "controls", "controller", "controllers", "manager", "managers"}),
    "agents": frozenset({"agent", "agents", "worker", "workers", "slave", "slaves", "minion", "minions", "node", "nodes", "compute"}),
}


@dataclass(frozen=True)
class Mapped:
    """A group, its hosts, what it becomes ('' for nothing), and why."""

    group: str
    hosts: int
    becomes: str
    why: str


def mapped(described: Described) -> list[Mapped]:
    """Every group, those that already say what runs first."""
    rows = [Mapped(name, len(described.groups[name].hosts), name, "is one of ours") for name in WRITABLE if name in described.groups]
    everywhere = sorted(HOST_WIDE & described.groups.keys())
    rows += [Mapped(name, len(described.groups[name].hosts), "", "runs on every host") for name in everywhere]
    inside = described.below(set(WRITABLE))
    guesses = {name: guess(name) for name in own(described) - inside}
    covered = {*guesses.values(), *described.groups}
    quorums = [group for group in QUORUMS.values() if group in guesses.values()]
    # Where one of the quorums would be nowhere, the group of another one is all the masters there are; likewise the agents.
    if quorums and "masters" not in covered and not set(QUORUMS.values()) <= covered:
        whole = {quorums[-1]: "masters", AGENT.name: "agents"}
        guesses = {name: whole.get(becomes, becomes) for name, becomes in guesses.items()}
    for name in sorted(own(described)):
        hosts = len(described.groups[name].hosts)
        if name in inside:
            parents = [group for group in WRITABLE if group in described.groups and name in described.below({group}) - {group}]
            rows.append(Mapped(name, hosts, "", f"is inside {', '.join(parents)} already"))
        else:
            becomes = guesses[name]
            rows.append(Mapped(name, hosts, becomes, "by its name" if becomes else "not recognised: left as your own group"))
    return rows


def guess(name: str) -> str:
    """What a group of this name is, or ''."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    known = (*SERVER_GROUPS, *(c.name for c in COMPONENTS if c.shorthand != ALL))
    for group in known:
        if set(group.split("_")) <= _singular(words):
            return group
    found = [role for role, theirs in _ROLES.items() if theirs & set(words)]
    return found[0] if len(found) == 1 else ""


def _singular(words: list[str]) -> set[str]:
    """The words with what they are in other places: a Mesos slave is an agent."""
    found = {word.removesuffix("s") if word.removesuffix("s") in {"master", "agent", "server", "slave"} else word for word in words}
    return found | ({"agent"} if "slave" in found else set())


def lines(rows: list[Mapped], *, ini: bool) -> str:
    """What to add to the inventory, as INI or YAML; '' where there is nothing to add."""
    into: dict[str, list[str]] = {}
    for row in rows:
        if row.becomes and row.becomes != row.group:
            into.setdefault(row.becomes, []).append(row.group)
    if ini:
        return "\n".join(f"[{group}:children]\n" + "".join(f"{name}\n" for name in names) for group, names in into.items())
    return "".join(f"{group}:\n  children:\n" + "".join(f"    {_quoted(name)}:\n" for name in names) for group, names in into.items())


def without_group(described: Described) -> list[str]:
    """Hosts in no group but all."""
    grouped = set().union(*(group.hosts for name, group in described.groups.items() if name not in (ALL, UNGROUPED)))
    return sorted(set(described.settings) - grouped)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else f"'{name}'"
