"""What a cluster runs: one folder per component, one row each, in the order in which a fresh cluster is built.

To add a component: its folder here, its name in `ORDER`, its role, its Molecule scenario and an entry in the catalogue.
"""

from __future__ import annotations

import importlib

from provisioner.components.model import Component, Shorthand

#: Each after what it stands on.
ORDER = ("mirror", "repos", "common", "kernel", "docker", "consul", "zookeeper", "dns", "mesos_master", "mesos_agent", "marathon",
         "chronos", "registrator", "logstash")


def _read(name: str) -> Component:
    found: Component = importlib.import_module(f"{__name__}.{name}.component").COMPONENT
    if found.name != name:
        raise ValueError(f"components/{name}/component.py describes {found.name!r}")
    return found


def _upgrade_order(components: tuple[Component, ...]) -> tuple[Component, ...]:
    order = list(components)
    for each in components:
        if each.upgraded_before:
            order.remove(each)
            order.insert([c.name for c in order].index(each.upgraded_before), each)
    return tuple(order)


COMPONENTS: tuple[Component, ...] = tuple(_read(name) for name in ORDER)
#: The order in which versions change: what others stand on first, as far as tasks need not move for it.
UPGRADE_ORDER: tuple[Component, ...] = _upgrade_order(COMPONENTS)
#: Groups that mark some members of a component as its servers.
SERVER_GROUPS: dict[str, Shorthand] = {c.server_group: "masters" for c in COMPONENTS if c.server_group}
#: The components that are Mesos frameworks.
SCHEDULERS = tuple(c.name for c in COMPONENTS if c.framework)
#: Components whose members vote, each with their group.
QUORUMS = {c.name: c.voters for c in UPGRADE_ORDER if c.voters}

#: The one that runs the tasks of users.
AGENT = next(c for c in COMPONENTS if c.runs_tasks)

#: The one that the others are installed from, where somebody runs it.
SITE = next(c for c in COMPONENTS if c.site)

_BY_NAME = {c.name: c for c in COMPONENTS}


def component(name: str) -> Component:
    """The component of that name. Raises KeyError."""
    return _BY_NAME[name]


def stands_on(name: str) -> frozenset[str]:
    """All components that have to work before the one of that name is brought up."""
    own = _BY_NAME[name].after
    return frozenset(own).union(*map(stands_on, own))


def component_names() -> tuple[str, ...]:
    """All names, in build order."""
    return ORDER
