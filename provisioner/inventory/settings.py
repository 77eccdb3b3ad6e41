"""What the roles would refuse of a host's values, before any host is asked.

A component whose role judges values has a part `settings` with one function, `problems(values)`: the variable that is wrong and a
sentence for each problem, from one host's values of its role's variables. It asks the role's own functions (`role_rules`).
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from typing import Any

from provisioner.cluster.model import Cluster
from provisioner.components import COMPONENTS
from provisioner.inventory.ports import OWN_LINE, Lines
from provisioner.state.problems import Problems

#: A variable and what is wrong with its value.
Problem = tuple[str, str]
Values = Mapping[str, Any]


def check(cluster: Cluster, defaults: Values, lines: Lines, problems: Problems) -> None:
    """Adds what is wrong to `problems`. `defaults`: the roles' default values; `lines`: host → variable → line."""
    for component in COMPONENTS:
        prefix, judged = f"{component.role}_", set()
        for host in (h for h in cluster.hosts if component.name in h.groups):
            own = {name: value for name, value in host.variables.items() if name.startswith(prefix)}
            same = tuple(sorted((name, id(value)) for name, value in own.items()))
            if own and same not in judged and (part := component.part("settings")):
                judged.add(same)  # what all hosts share is judged once
                for variable, message in part.problems(ChainMap(own, dict(defaults))):
                    problems.add(lines[host.name].get(variable, lines[host.name][OWN_LINE]), message)
