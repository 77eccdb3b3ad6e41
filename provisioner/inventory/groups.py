"""The names of groups that mean something here, and what to say of those that look like one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from provisioner.cluster.model import SHORTHANDS
from provisioner.components import COMPONENTS, SERVER_GROUPS
from provisioner.inventory.described import ALL, UNGROUPED, Described
from provisioner.state.problems import Problems, nearest, show

#: Components that run on every host whatever is written; they have no group of their own in an inventory.
HOST_WIDE = frozenset(c.name for c in COMPONENTS if c.shorthand == "all")
#: What a user may write besides `all` and `ungrouped`, and the shorthand that stands in for it.
DEFAULT_GROUP = {
    **{c.name: c.shorthand for c in COMPONENTS if c.shorthand != "all"},
    **SERVER_GROUPS,
}
WRITABLE = (*SHORTHANDS, *DEFAULT_GROUP)
#: From this similarity on a group was meant to be one of ours.
_ALIKE = 0.8


def own(described: Described) -> set[str]:
    """The groups that are the user's own: they carry variables and are names for --limit, and decide nothing about what runs where."""
    return set(described.groups) - {ALL, UNGROUPED, *WRITABLE, *HOST_WIDE}


def look(described: Described, problems: Problems) -> Iterator[str]:
    """Notes groups that were meant to be others; gives warnings."""
    ours = described.below(set(WRITABLE))
    for name in sorted(own(described) - ours):
        alike = name.replace("-", "_").lower()
        meant = nearest(alike, WRITABLE, _ALIKE)
        if meant and meant not in alike:  # agents1 is named after one of ours on purpose
            hint = f"did you mean {meant}? A group of your own needs a name that can't be taken for it"
            problems.add(described.groups[name].line, f"group {show(name)} is no component", hint)
    everybody = set(described.settings)
    for name in sorted(HOST_WIDE & described.groups.keys()):
        if described.groups[name].hosts != everybody:
            yield f"group {name} ({problems.at(described.groups[name].line)}) restricts nothing: {name} is on every host"
    for name, shorthand in DEFAULT_GROUP.items():
        instead = described.groups.get(shorthand)
        if name in described.groups and not described.groups[name].hosts and instead and instead.hosts:
            yield (f"group {name} ({problems.at(described.groups[name].line)}) is empty, so it is on no host: "
                   f"remove the group to have it on the {shorthand}")


def strangers(described: Described) -> set[str]:
    """Hosts that are in groups of the user's own and in none of ours: machines of the same inventory that are no part of the cluster."""
    ours = set().union(*(described.groups[name].hosts for name in WRITABLE if name in described.groups))
    grouped = set().union(*(described.groups[name].hosts for name in own(described)))
    return grouped - ours


def listed(names: Collection[str], shown: int = 10) -> str:
    """Names, not too many."""
    some = sorted(names)
    return ", ".join(some[:shown]) + (f" and {len(some) - shown} more" if len(some) > shown else "")
